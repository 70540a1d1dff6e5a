// Small pictures in a grid; a click shows one large. Other files open in a tab of their own.
import { button, element, isImage, openZoom, sizeInWords } from "./zoom.js";

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".files");
  const images = data.files.filter(isImage);
  root.replaceChildren();
  for (const file of data.files) {
    const tile = isImage(file)
      ? button("", "tile", () => openZoom(root, images, images.indexOf(file)))
      : element("a", "tile");
    if (isImage(file)) {
      const picture = element("img");
      picture.src = `${file.url}?thumbnail=1`;
      picture.alt = "";
      picture.loading = "lazy";
      tile.append(picture);
      tile.setAttribute("aria-label", `${file.name} を拡大する`);
    } else {
      tile.href = file.url;
      tile.target = "_blank";
      tile.rel = "noopener";
      tile.append(element("span", "kind", file.name.split(".").pop().toUpperCase()));
    }
    tile.append(element("span", "name", file.name), element("span", "size", sizeInWords(file.size)));
    root.append(tile);
  }
}
