/** The page at /: begins everything once the service has said what it can do. */

import { byId, show } from "./elements.js";
import { startFiles } from "./files.js";
import { startHistory } from "./history.js";
import { judgeText, lookAgain, startJudge } from "./judge.js";
import { onLanguage, say, speak, switchLanguage } from "./language.js";
import { ask } from "./service.js";
import { front, startTabs } from "./tabs.js";
import { reasonNodes } from "./wording.js";

async function begin() {
  speak();
  byId("language").addEventListener("click", switchLanguage);
  let about;
  try {
    about = await ask("about");
  } catch (error) {
    const tell = () => byId("trouble").replaceChildren(...reasonNodes(error));
    tell();
    onLanguage(tell);
    show(byId("trouble"), true);
    return;
  }
  show(byId("to-drift"), about.feedback);
  const tellBundle = () => {
    byId("bundle").textContent = say("footer.bundle", { name: about.bundle.name, version: about.bundle.version.slice(0, 12) });
  };
  tellBundle();
  onLanguage(tellBundle);
  startTabs();
  startJudge(about);
  startHistory((earlier) => lookAgain(earlier));
  startFiles(about, () => front("file"), (text) => {
    front("text");
    judgeText(text);
  });
  document.documentElement.dataset.ready = "yes";
}

begin();
