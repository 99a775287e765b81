/**
 * Styles of the code editors come as adopted style sheets: the hub's policy allows no style in the page itself.
 * Import it before an editor is made.
 */

import { StyleModule } from "style-mod";

const sheets = new Map<StyleModule, CSSStyleSheet>();

function sheetOf(module: StyleModule): CSSStyleSheet {
  let sheet = sheets.get(module);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(module.getRules());
    sheets.set(module, sheet);
  }
  return sheet;
}

/** What comes later in the list takes precedence, as the editor expects. */
StyleModule.mount = (root, modules) => {
  const wanted = [modules].flat().map((module) => sheetOf(module as StyleModule));
  const holder = root as DocumentOrShadowRoot;
  holder.adoptedStyleSheets = [...holder.adoptedStyleSheets.filter((sheet) => !wanted.includes(sheet)), ...wanted];
};
