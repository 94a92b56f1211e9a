/** Tabs, by mouse and by arrow keys. */

import { byId } from "./elements.js";

const NAMES = ["text", "file"];

/** Bring a panel to the front. */
export function front(name) {
  for (const each of NAMES) {
    const tab = byId(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    byId(`panel-${each}`).hidden = each !== name;
  }
}

/** Begin to heed clicks and keys. */
export function startTabs() {
  NAMES.forEach((name, place) => {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => front(name));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = event.key === "Home" ? 0 : event.key === "End" ? NAMES.length - 1 : step && (place + step + NAMES.length) % NAMES.length;
      if (next === undefined) return;
      event.preventDefault();
      front(NAMES[next]);
      byId(`tab-${NAMES[next]}`).focus();
    });
  });
}
