// What must survive a reload, a crash and a flat battery: IndexedDB, with writes that are on the disk when they end.
//   queue      scans on their way, in the order they were made (seq)
//   attention  scans that the service would not take: staff decide
//   recent     what the list at the bottom shows
//   roster     names for greeting while nobody can be asked, one record for each nursery
const NAME = "genba-station";
let opening = null;

function database() {
  if (!opening) opening = open();
  return opening;
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      const db = request.result;
      const queue = db.createObjectStore("queue", { keyPath: "seq", autoIncrement: true });
      queue.createIndex("clientEventId", "clientEventId", { unique: true });
      queue.createIndex("nurseryId", "nurseryId");
      db.createObjectStore("attention", { keyPath: "clientEventId" }).createIndex("nurseryId", "nurseryId");
      db.createObjectStore("recent", { keyPath: "seq", autoIncrement: true }).createIndex("nurseryId", "nurseryId");
      db.createObjectStore("roster", { keyPath: "nurseryId" });
    };
    request.onsuccess = () => {
      const db = request.result;
      // A newer version of this page wants to change it; or the browser closed it.
      db.onversionchange = () => {
        db.close();
        opening = null;
      };
      db.onclose = () => {
        opening = null;
      };
      resolve(db);
    };
    request.onerror = () => {
      opening = null;
      reject(request.error);
    };
  });
}

// One transaction: `work` is given a function from a store's name to the store, and awaits nothing but `done(…)`.
export async function within(names, mode, work) {
  const opened = await database();
  return new Promise((resolve, reject) => {
    const transaction = opened.transaction(names, mode, { durability: "strict" });
    let result;
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error || new Error("the transaction was given up"));
    work((name) => transaction.objectStore(name)).then(
      (value) => {
        result = value;
      },
      (error) => {
        reject(error);
        transaction.abort();
      },
    );
  });
}

export function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
