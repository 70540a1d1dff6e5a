// Opens the station's pages without a network, all files of one version together. Nothing of /api passes here.
importScripts("/entry-exit-station/shell.js");

const { version, files } = self.GENBA_STATION;
const OURS = "genba-station-";
const CACHE = `${OURS}${version}`;

self.addEventListener("install", (event) => {
  // Of this version, or not at all: it is tried again when all servers have it.
  const fresh = files.map((path) => new Request(`${path}?v=${version}`, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)));
  // Chromium: a worker that every heartbeat goes through is never at rest, and gives way to a newer one only at rest.
  if (event.addRoutes) {
    event.waitUntil(event.addRoutes({ condition: { urlPattern: new URLPattern({ pathname: "/api/*" }) }, source: "network" }));
  }
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith(OURS) && name !== CACHE))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== self.location.origin || !files.includes(pathname)) return;
  event.respondWith(
    caches
      .open(CACHE)
      .then((cache) => cache.match(pathname, { ignoreSearch: true }))
      .then((kept) => kept || fetch(event.request)),
  );
});

// A newer version waits until a station says that nobody is scanning.
self.addEventListener("message", (event) => {
  if (event.data === "take over") self.skipWaiting();
});
