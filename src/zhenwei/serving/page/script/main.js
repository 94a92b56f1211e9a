/** The page at /: starts everything once the service has sent its features and limits. */

import { byId, show } from "./elements.js";
import { startFiles } from "./files.js";
import { startHistory } from "./history.js";
import { predictText, showAgain, startPredict } from "./predict.js";
import { onLanguageChange, translate, applyLanguage, switchLanguage } from "./language.js";
import { request } from "./api.js";
import { selectTab, startTabs } from "./tabs.js";
import { errorNodes } from "./messages.js";

async function start() {
  applyLanguage();
  byId("language").addEventListener("click", switchLanguage);
  let about;
  try {
    about = await request("about");
  } catch (error) {
    const showError = () => byId("error-notice").replaceChildren(...errorNodes(error));
    showError();
    onLanguageChange(showError);
    show(byId("error-notice"), true);
    return;
  }
  show(byId("drift-link"), about.feedback);
  const showBundle = () => {
    byId("bundle").textContent = translate("footer.bundle", { name: about.bundle.name, version: about.bundle.version.slice(0, 12) });
  };
  showBundle();
  onLanguageChange(showBundle);
  startTabs();
  startPredict(about);
  startHistory(showAgain);
  startFiles(about, () => selectTab("file"), (text) => {
    selectTab("text");
    predictText(text);
  });
  document.documentElement.dataset.ready = "yes";
}

start();
