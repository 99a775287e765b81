import "./styles/tokens.css";
import "./styles/element.css";
import "./styles/base.css";

import { createApp } from "vue";

import App from "./App.vue";
import { applyPreferences, preferences } from "./frame/preferences";
import { loadWords, words } from "./frame/words";
import { router } from "./router";

applyPreferences();
await loadWords(preferences.language);
createApp(App).use(words).use(router).mount("#centre");
