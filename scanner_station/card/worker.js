// Opens the card at once, and without a network; nothing of /api passes. CARD, written in front of this by the service,
// is { version, files }.
"use strict";

const OURS = "genba-card-";
const CACHE = OURS + CARD.version;

self.addEventListener("install", (event) => {
  const fresh = CARD.files.map((path) => new Request(path, { cache: "reload" }));
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(fresh))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

// Files of one version belong together: they come from the cache, and a newer version replaces all of them at once.
self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== self.location.origin || !CARD.files.includes(pathname)) return;
  event.respondWith(
    caches
      .open(CACHE)
      .then((cache) => cache.match(pathname))
      .then((kept) => kept || fetch(event.request)),
  );
});
