// Times as people in Japan read them, whatever time zone the tablet is set to. Japan knows no summer time.
const TOKYO_MS = 9 * 3600 * 1000;

function two(number) {
  return String(number).padStart(2, "0");
}

function inTokyo(moment) {
  return new Date(moment.getTime() + TOKYO_MS);
}

// 2026-01-14
export function day(moment) {
  const there = inTokyo(moment);
  return `${there.getUTCFullYear()}-${two(there.getUTCMonth() + 1)}-${two(there.getUTCDate())}`;
}

// 09:15
export function hourAndMinute(moment) {
  const there = inTokyo(moment);
  return `${two(there.getUTCHours())}:${two(there.getUTCMinutes())}`;
}

// 2026-01-14 09:15:32
export function full(moment) {
  return `${day(moment)} ${hourAndMinute(moment)}:${two(inTokyo(moment).getUTCSeconds())}`;
}
