// A picture to be looked at: enlarge it, turn it, go to the next one. Works with the keyboard too.

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function button(word, className, onClick) {
  const made = element("button", className, word);
  made.type = "button";
  made.onclick = onClick;
  return made;
}

const LARGEST = 6;

// A picture to be turned, enlarged, moved about and leafed through. `images`: [{name, url, label}]. The wheel enlarges,
// the mouse moves. Of the tools, `more` are its owner's.
export function makeStage(images, start, { more = [], onPlace = () => {} } = {}) {
  let place = start;
  let turned = 0;
  let scale = 1;
  let moved = { x: 0, y: 0 };
  const title = element("p", "zoom-title");
  const picture = element("img", "zoom-picture");
  picture.draggable = false;
  const stage = element("div", "zoom-stage");
  stage.append(picture);

  function show() {
    const image = images[place];
    const which = images.length > 1 ? `${image.name}（${place + 1} / ${images.length}）` : image.name;
    title.textContent = image.label ? `${which}　${image.label}` : which;
    picture.alt = image.name;
    if (picture.getAttribute("src") !== image.url) picture.src = image.url;
    picture.classList.toggle("sideways", turned % 180 !== 0);
    picture.style.transform = `translate(${moved.x}px, ${moved.y}px) rotate(${turned}deg) scale(${scale})`;
    stage.classList.toggle("enlarged", scale > 1);
    previous.disabled = place === 0;
    next.disabled = place === images.length - 1;
    smaller.disabled = scale <= 1;
    larger.disabled = scale >= LARGEST;
  }
  function put(target) {
    if (target < 0 || target >= images.length || target === place) return;
    place = target;
    turned = 0;
    enlarge(0);
    onPlace(place);
  }
  const go = (steps) => put(place + steps);
  function turn(degrees) {
    turned = (turned + degrees + 360) % 360;
    show();
  }
  function enlarge(factor) {
    scale = Math.min(LARGEST, Math.max(1, scale * factor));
    if (scale === 1) moved = { x: 0, y: 0 };
    show();
  }
  // The same pictures under other labels, or others: whoever looks at one goes on looking at it.
  function update(listed) {
    const name = images[place].url;
    images = listed;
    const found = images.findIndex((image) => image.url === name);
    if (found < 0) {
      place = 0;
      turned = 0;
    } else place = found;
    show();
  }

  const previous = button("前へ", "", () => go(-1));
  const next = button("次へ", "", () => go(1));
  const smaller = button("縮小", "", () => enlarge(1 / 1.5));
  const larger = button("拡大", "", () => enlarge(1.5));
  const tools = element("div", "zoom-tools");
  tools.append(
    previous,
    next,
    button("左に回転", "", () => turn(-90)),
    button("右に回転", "", () => turn(90)),
    larger,
    smaller,
    ...more,
  );
  stage.onwheel = (event) => {
    event.preventDefault();
    enlarge(event.deltaY < 0 ? 1.2 : 1 / 1.2);
  };
  stage.onpointerdown = (event) => {
    if (scale === 1) return;
    const from = { x: event.clientX - moved.x, y: event.clientY - moved.y };
    stage.setPointerCapture(event.pointerId);
    stage.onpointermove = (move) => {
      moved = { x: move.clientX - from.x, y: move.clientY - from.y };
      show();
    };
  };
  stage.onpointerup = stage.onpointercancel = () => {
    stage.onpointermove = null;
  };
  function key(event) {
    const does = {
      ArrowLeft: () => go(-1),
      ArrowRight: () => go(1),
      r: () => turn(90),
      R: () => turn(-90),
      "+": () => enlarge(1.5),
      "-": () => enlarge(1 / 1.5),
    }[event.key];
    // Streamlit has keys of its own for the page below.
    event.stopPropagation();
    if (does) {
      event.preventDefault();
      does();
    }
  }
  show();
  return { title, stage, tools, key, put, update, place: () => place };
}

// As large as the screen. `root` is the component's own root, so that its styles hold here too.
export function openZoom(root, images, start) {
  const dialog = element("dialog", "zoom");
  const close = button("閉じる", "primary", () => dialog.close());
  const { title, stage, tools, key } = makeStage(images, start, { more: [close] });
  dialog.setAttribute("aria-label", "画像の拡大表示");
  dialog.append(title, stage, tools);
  dialog.onclose = () => dialog.remove();
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  dialog.onkeydown = key;
  root.append(dialog);
  dialog.showModal();
}

export function isImage(file) {
  return (file.content_type || "").startsWith("image/");
}

export function sizeInWords(bytes) {
  if (bytes >= 1024 * 1024) return `${Math.round(bytes / 1024 / 102.4) / 10}MB`;
  return `${Math.max(1, Math.round(bytes / 1024))}KB`;
}
