/** Figures as people read them: three digits or so, and a unit. */

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en");
}

export function formatBytes(value: number): string {
  return Math.abs(value) >= 1000 ? formatCount(value) : value.toFixed(1);
}

export function formatMib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

export function formatMs(value: number): string {
  if (value >= 100) return formatCount(value);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function formatUs(nanoseconds: number): string {
  return (nanoseconds / 1000).toFixed(2);
}

export function formatRate(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e4 ? `${(value / 1e3).toFixed(0)} k` : formatCount(value);
}

export function formatRatio(ratio: number): string {
  if (ratio < 0.01) return "under 0.01x";
  return `${ratio.toFixed(ratio >= 10 ? 0 : ratio >= 2 ? 1 : 2)}x`;
}
