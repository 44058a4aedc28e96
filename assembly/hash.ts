/**
 * Hashes of constants and ids: 64 bits, keyed by a secret that is drawn anew at each boot.
 *
 * Constants come from clients. With a hash that can be predicted, a client could choose values that
 * all fall into one leaf of a table; and with most fast hashes (xxh64, murmur) values can be found
 * that collide under *every* seed. So bytes go through NH (from UMAC), whose collisions are bounded
 * by proof: for any two different texts of one size, at most one key in 2^32 makes them collide.
 *
 *     block of 8 bytes   ┌── a ──┬── b ──┐      sum += (a + key.a) * (b + key.b)    mod 2^64
 *     key of 8 bytes     ┌ key.a ┬ key.b ┐      32 x 32 -> 64 bits, one multiplication a block
 *
 * There are 32 keys, for 256 bytes; longer texts fold the sum of each 256 bytes into the next. The
 * last block overlaps the one before it instead of reading past the end, and the size is hashed
 * too.
 */

const KEY_COUNT: u32 = 32;
const STRIDE: u32 = KEY_COUNT * 8;

const keys: usize = memory.data(<i32>STRIDE, 8);

setSeed(0, 0);

/** Draws the keys. To be called before the first hash: every table would be lost after it. */
export function setSeed(low: u32, high: u32): void {
  let state: u64 = ((<u64>high) << 32) | (<u64>low);
  for (let index: u32 = 0; index < KEY_COUNT; index += 1) {
    // splitmix64
    state += 0x9e3779b97f4a7c15;
    store<u64>(keys + <usize>(index << 3), mix(state));
  }
}

/** Hashes `size` bytes. Different `seed`s give unrelated hashes of the same bytes. */
export function hashBytes(address: usize, size: u32, seed: u64): u64 {
  let sum: u64 = seed + <u64>size * 0x9e3779b97f4a7c15;
  if (size < 8) return mix(sum + product(shortWord(address, size), keys));

  const last = address + <usize>(size - 8);
  let key = keys;
  while (address < last) {
    sum += product(load<u64>(address), key);
    address += 8;
    key += 8;
    if (key == keys + <usize>STRIDE) {
      sum = mix(sum);
      key = keys;
    }
  }
  return mix(sum + product(load<u64>(last), key));
}

/** Hashes one number. Different numbers never collide. */
export function hashWord(value: u64, seed: u64): u64 {
  return mix((value ^ load<u64>(keys)) + seed);
}

/** A bijection in which every bit of the result depends on every bit of the argument. */
export function mix(x: u64): u64 {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

function product(word: u64, key: usize): u64 {
  const a = <u64>(<u32>word + load<u32>(key));
  const b = <u64>(<u32>(word >> 32) + load<u32>(key, 4));
  return a * b;
}

/** Up to seven bytes as one word; texts of one size have different words. */
function shortWord(address: usize, size: u32): u64 {
  if (size >= 4) {
    const tail = <u64>load<u32>(address + <usize>(size - 4));
    return (tail << 32) | (<u64>load<u32>(address));
  }
  if (size == 0) return 0;
  const middle = (<u64>load<u8>(address + <usize>(size >> 1))) << 8;
  const end = (<u64>load<u8>(address + <usize>(size - 1))) << 16;
  return (<u64>load<u8>(address)) | middle | end;
}
