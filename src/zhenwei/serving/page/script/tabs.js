/** Tabs, with mouse and arrow keys. */

import { byId } from "./elements.js";

const NAMES = ["text", "file"];

/** Show the panel of a tab. */
export function selectTab(name) {
  for (const other of NAMES) {
    const tab = byId(`tab-${other}`);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    byId(`panel-${other}`).hidden = other !== name;
  }
}

/** Start to handle clicks and keys. */
export function startTabs() {
  NAMES.forEach((name, index) => {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => selectTab(name));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = event.key === "Home" ? 0 : event.key === "End" ? NAMES.length - 1 : step && (index + step + NAMES.length) % NAMES.length;
      if (next === undefined) return;
      event.preventDefault();
      selectTab(NAMES[next]);
      byId(`tab-${NAMES[next]}`).focus();
    });
  });
}
