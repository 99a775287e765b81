/** Questions and short messages above the page. */

import { ElMessage, ElMessageBox } from "element-plus";

import { word } from "../frame/words";

/** Whether a person agrees to something that cannot be undone; `deed` is the word on the button. */
export async function agreed(question: string, deed: string): Promise<boolean> {
  try {
    await ElMessageBox.confirm(question, deed, {
      confirmButtonText: deed, cancelButtonText: word("deed.cancel"), confirmButtonClass: "el-button--danger", type: "warning", showClose: false,
    });
    return true;
  } catch {
    return false;
  }
}

/** Says that something is done. */
export function said(text: string): void {
  ElMessage({ message: text, type: "success", duration: 3000, grouping: true });
}
