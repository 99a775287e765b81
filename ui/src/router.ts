/** The pages and their addresses; each page is loaded when it is first opened. */

import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";

import type { WordKey } from "./frame/words";

declare module "vue-router" {
  interface RouteMeta {
    /** The page's name in the catalogue of words. */
    title: WordKey;
    /** The name of the route that it lies under. */
    under?: string;
  }
}

export const routes: RouteRecordRaw[] = [
  { path: "/", name: "overview", component: () => import("./pages/overview/OverviewPage.vue"), meta: { title: "overview.title" } },
  { path: "/feeds", name: "feeds", component: () => import("./pages/feeds/FeedListPage.vue"), meta: { title: "feeds.title" } },
  {
    path: "/:rest(.*)*", name: "nowhere", component: () => import("./pages/NowherePage.vue"), meta: { title: "nowhere.title" },
  },
];

export const router = createRouter({
  history: createWebHistory("/centre/"),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});
