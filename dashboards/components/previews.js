// Small pictures in a grid; a click shows one large: over the page, or, with a stage, above the others in the page, where
// it stays while the page is drawn anew. Other files open in a tab of their own.
import { button, element, isImage, makeStage, openZoom, sizeInWords } from "./zoom.js";

// What a stage shows is its reader's choice, and outlives the data: by the component's root.
const stages = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".files");
  const images = data.files.filter(isImage);
  const grid = element("div", "grid");
  const tiles = new Map();
  for (const file of data.files) {
    const tile = isImage(file)
      ? button("", "tile", () => open(images.indexOf(file)))
      : element("a", "tile");
    if (isImage(file)) {
      const picture = element("img");
      picture.src = `${file.url}?thumbnail=1`;
      picture.alt = "";
      picture.loading = "lazy";
      tile.append(picture);
      tile.setAttribute("aria-label", data.stage ? `${file.name} を表示する` : `${file.name} を拡大する`);
      tiles.set(file.url, tile);
    } else {
      tile.href = file.url;
      tile.target = "_blank";
      tile.rel = "noopener";
      tile.append(element("span", "kind", file.name.split(".").pop().toUpperCase()));
    }
    tile.append(element("span", "name", file.name), element("span", "size", file.label || sizeInWords(file.size)));
    grid.append(tile);
  }

  if (!data.stage || images.length === 0) {
    stages.delete(root);
    root.replaceChildren(grid);
    return;
  }
  let state = stages.get(root);
  if (state) state.stage.update(images);
  else {
    state = { shown: null };
    const whole = button("全画面", "", () => openZoom(root, state.images, state.stage.place()));
    state.stage = makeStage(images, 0, { more: [whole], onPlace: (place) => state.mark(place) });
    state.box = element("div", "stage");
    state.box.tabIndex = 0;
    state.box.onkeydown = state.stage.key;
    state.box.append(state.stage.title, state.stage.stage, state.stage.tools);
    stages.set(root, state);
  }
  state.images = images;
  state.mark = (place) => {
    for (const [url, tile] of tiles) tile.classList.toggle("shown", url === images[place].url);
  };
  // Asked for by the page, once: afterwards the reader leafs on.
  if (data.shown && data.shown.turn !== state.shown) {
    state.shown = data.shown.turn;
    state.stage.put(images.findIndex((image) => image.id === data.shown.id));
  }
  state.mark(state.stage.place());
  root.replaceChildren(state.box, grid);

  function open(place) {
    if (data.stage) stages.get(root).stage.put(place);
    else openZoom(root, images, place);
  }
}
