/** ISO weeks, and confidence intervals of shares. */

const WEEK = 7 * 24 * 3600 * 1000;
const Z = 1.959964; // 95% interval

/** Return the number of weeks since 1970 of a week as in 2026-W07. */
export function weekNumber(week) {
  const [year, number] = week.split("-W").map(Number);
  const january4 = Date.UTC(year, 0, 4); // always in week 1
  const monday = january4 - ((new Date(january4).getUTCDay() + 6) % 7) * 24 * 3600 * 1000;
  return Math.round(monday / WEEK) + number - 1;
}

/** Return Wilson's 95% interval of a share. */
export function interval(part, total) {
  const share = part / total;
  const center = (share + Z ** 2 / (2 * total)) / (1 + Z ** 2 / total);
  const half = (Z / (1 + Z ** 2 / total)) * Math.sqrt((share * (1 - share)) / total + Z ** 2 / (4 * total ** 2));
  return [Math.max(0, center - half), Math.min(1, center + half)];
}
