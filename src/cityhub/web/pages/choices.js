// What a person chose stays in the browser: look, language, size of text.

export function remembered(name) {
  try { return localStorage.getItem(`cityhub.${name}`); } catch { return null; }
}

export function remember(name, value) {
  try { localStorage.setItem(`cityhub.${name}`, value); } catch { /* a browser without storage forgets */ }
}

export function chooseTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  document.getElementById("theme").value = theme;
}
