/** The pages and their addresses; each page is loaded when it is first opened. */

import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";

import type { WordKey } from "./frame/words";

declare module "vue-router" {
  interface RouteMeta {
    /** The page's name in the catalogue of words. */
    title: WordKey;
    /** The name of the route that it lies under. */
    under?: string;
    /** Whether the page is about the thing whose id stands in its address. */
    named?: boolean;
  }
}

export const routes: RouteRecordRaw[] = [
  { path: "/", name: "overview", component: () => import("./pages/overview/OverviewPage.vue"), meta: { title: "overview.title" } },
  { path: "/feeds", name: "feeds", component: () => import("./pages/feeds/FeedListPage.vue"), meta: { title: "feeds.title" } },
  { path: "/feeds/new", name: "feed-new", component: () => import("./pages/feeds/FeedEditorPage.vue"), meta: { title: "feeds.new", under: "feeds" } },
  {
    path: "/feeds/:id", name: "feed", component: () => import("./pages/feeds/FeedPage.vue"), props: true,
    meta: { title: "feed.page", under: "feeds", named: true },
  },
  {
    path: "/feeds/:id/edit", name: "feed-edit", component: () => import("./pages/feeds/FeedEditorPage.vue"), props: true,
    meta: { title: "deed.change", under: "feed" },
  },
  {
    path: "/dead-letters", name: "dead-letters", component: () => import("./pages/letters/LetterListPage.vue"), meta: { title: "deadLetters.title" },
  },
  {
    path: "/dead-letters/:id", name: "dead-letter", component: () => import("./pages/letters/LetterPage.vue"), props: true,
    meta: { title: "letter.page", under: "dead-letters" },
  },
  { path: "/devices", name: "devices", component: () => import("./pages/devices/DeviceListPage.vue"), meta: { title: "devices.title" } },
  {
    path: "/devices/:id", name: "device", component: () => import("./pages/devices/DevicePage.vue"), props: true,
    meta: { title: "device.page", under: "devices" },
  },
  { path: "/imports", name: "imports", component: () => import("./pages/imports/ImportListPage.vue"), meta: { title: "imports.title" } },
  {
    path: "/imports/files/:id", name: "import-file", component: () => import("./pages/imports/ImportFilePage.vue"), props: true,
    meta: { title: "import.file", under: "imports" },
  },
  {
    path: "/imports/:id", name: "import", component: () => import("./pages/imports/ImportPage.vue"), props: true,
    meta: { title: "import.page", under: "imports" },
  },
  { path: "/duty", name: "duty", component: () => import("./pages/duty/DutyDeskPage.vue"), meta: { title: "desk.title" } },
  { path: "/alerts", name: "alerts", component: () => import("./pages/alerts/AlertListPage.vue"), meta: { title: "alerts.title" } },
  {
    path: "/alerts/:id", name: "alert", component: () => import("./pages/alerts/AlertPage.vue"), props: true,
    meta: { title: "alert.page", under: "alerts" },
  },
  { path: "/cases", name: "cases", component: () => import("./pages/cases/CaseListPage.vue"), meta: { title: "cases.title" } },
  { path: "/cases/new", name: "case-new", component: () => import("./pages/cases/NewCasePage.vue"), meta: { title: "case.new", under: "cases" } },
  { path: "/cases/:id", name: "case", component: () => import("./pages/cases/CasePage.vue"), props: true, meta: { title: "case.page", under: "cases" } },
  { path: "/tasks", name: "tasks", component: () => import("./pages/cases/TaskListPage.vue"), meta: { title: "tasks.title" } },
  { path: "/indicators", name: "indicators", component: () => import("./pages/cases/IndicatorPage.vue"), meta: { title: "indicators.title" } },
  { path: "/rules", name: "rules", component: () => import("./pages/rules/RuleListPage.vue"), meta: { title: "rules.title" } },
  { path: "/rules/new", name: "rule-new", component: () => import("./pages/rules/RuleEditorPage.vue"), meta: { title: "rules.new", under: "rules" } },
  {
    path: "/rules/:id", name: "rule", component: () => import("./pages/rules/RulePage.vue"), props: true,
    meta: { title: "rule.page", under: "rules", named: true },
  },
  {
    path: "/rules/:id/edit", name: "rule-edit", component: () => import("./pages/rules/RuleEditorPage.vue"), props: true,
    meta: { title: "deed.change", under: "rule" },
  },
  { path: "/processes", name: "processes", component: () => import("./pages/processes/ProcessListPage.vue"), meta: { title: "processes.title" } },
  {
    path: "/processes/new", name: "process-new", component: () => import("./pages/processes/ProcessPage.vue"),
    meta: { title: "processes.new", under: "processes" },
  },
  {
    path: "/processes/:id", name: "process", component: () => import("./pages/processes/ProcessPage.vue"), props: true,
    meta: { title: "process.page", under: "processes" },
  },
  { path: "/warnings", name: "warnings", component: () => import("./pages/warnings/WarningListPage.vue"), meta: { title: "warnings.title" } },
  {
    path: "/warnings/:id", name: "warning", component: () => import("./pages/warnings/WarningPage.vue"), props: true,
    meta: { title: "warning.page", under: "warnings" },
  },
  { path: "/maintenance", name: "maintenance", component: () => import("./pages/warnings/MaintenancePage.vue"), meta: { title: "maintenance.title" } },
  { path: "/roster", name: "roster", component: () => import("./pages/duty/RosterPage.vue"), meta: { title: "roster.title" } },
  { path: "/reports", name: "reports", component: () => import("./pages/duty/ReportPage.vue"), meta: { title: "report.title" } },
  { path: "/notices", name: "notices", component: () => import("./pages/notices/NoticeListPage.vue"), meta: { title: "notices.title" } },
  { path: "/templates", name: "templates", component: () => import("./pages/notices/TemplatePage.vue"), meta: { title: "templates.title" } },
  { path: "/:rest(.*)*", name: "nowhere", component: () => import("./pages/NowherePage.vue"), meta: { title: "nowhere.title" } },
];

export const router = createRouter({
  history: createWebHistory("/centre/"),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});
