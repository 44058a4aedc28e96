import { FrameBuilder } from "./src/storage/frame-builder.ts";
const b = new FrameBuilder(); b.begin(2, 0n as never); b.addChange(258n as never, 0, Buffer.from('{"a":{}}'), Float64Array.of(5), Uint32Array.of(9), 1); b.markCommitted(258n as never);
console.log(b.seal(64).toString("hex").replace(/../g, "$& "));
