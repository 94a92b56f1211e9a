/** ISO weeks, and how sure a share of so many is. */

const WEEK = 7 * 24 * 3600 * 1000;
const Z = 1.959964; // of a 95% interval

/** Return the number of a week, as in 2026-W07, counted from one that never changes. */
export function weekNumber(week) {
  const [year, number] = week.split("-W").map(Number);
  const january4 = Date.UTC(year, 0, 4); // is always in week 1
  const monday = january4 - ((new Date(january4).getUTCDay() + 6) % 7) * 24 * 3600 * 1000;
  return Math.round(monday / WEEK) + number - 1;
}

/** Return Wilson's 95% interval of a share of a count. */
export function interval(part, whole) {
  const share = part / whole;
  const centre = (share + Z ** 2 / (2 * whole)) / (1 + Z ** 2 / whole);
  const half = (Z / (1 + Z ** 2 / whole)) * Math.sqrt((share * (1 - share)) / whole + Z ** 2 / (4 * whole ** 2));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
