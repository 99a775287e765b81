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
  { path: "/:rest(.*)*", name: "nowhere", component: () => import("./pages/NowherePage.vue"), meta: { title: "nowhere.title" } },
];

export const router = createRouter({
  history: createWebHistory("/centre/"),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});
