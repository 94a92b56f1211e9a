/** The key of a service that wants one: asked for once, kept as long as the tab. */

import { byId } from "./elements.js";
import { say } from "./language.js";

const KEPT = "zhenwei.key";
let inMemory = null; // where the browser keeps nothing
let asked = null; // the question that is open: several requests may wait for one key

/** Return the key, or null. */
export function currentKey() {
  try {
    return sessionStorage.getItem(KEPT) ?? inMemory;
  } catch {
    return inMemory;
  }
}

/** Forget a key that was refused. */
export function forgetKey() {
  inMemory = null;
  try {
    sessionStorage.removeItem(KEPT);
  } catch {
    // nothing was kept
  }
}

/**
 * Ask for a key.
 *
 * @param {boolean} wrong - whether one was just refused.
 * @returns {Promise<boolean>} whether there is one now.
 */
export function newKey(wrong) {
  asked ??= question(wrong).finally(() => {
    asked = null;
  });
  return asked;
}

function question(wrong) {
  const [dialog, form, input, mistake] = ["key-dialog", "key-form", "key", "key-error"].map(byId);
  const complain = (name) => {
    mistake.textContent = name === null ? "" : say(name);
    input.setAttribute("aria-invalid", name !== null);
  };
  complain(wrong ? "key.wrong" : null);
  input.value = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    const done = new AbortController();
    const end = (found) => {
      done.abort();
      dialog.close();
      resolve(found);
    };
    const heed = (target, event, act) => target.addEventListener(event, act, { signal: done.signal });
    heed(form, "submit", (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!/^[\x21-\x7e]+$/.test(key)) {
        complain("key.bad");
        return;
      }
      keep(key);
      end(true);
    });
    heed(byId("key-cancel"), "click", () => end(false));
    heed(dialog, "cancel", (event) => {
      event.preventDefault();
      end(false);
    });
  });
}

function keep(key) {
  inMemory = key;
  try {
    sessionStorage.setItem(KEPT, key);
  } catch {
    // kept in memory alone
  }
}
