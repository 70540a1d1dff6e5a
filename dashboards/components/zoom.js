// A picture as large as the screen: turn it, go to the next one. Works with the keyboard too.

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

// `images`: [{name, url}]. `root` is the component's own root, so that its styles hold here too.
export function openZoom(root, images, start) {
  let place = start;
  let turned = 0;
  const dialog = element("dialog", "zoom");
  const title = element("p", "zoom-title");
  const picture = element("img", "zoom-picture");
  const stage = element("div", "zoom-stage");
  stage.append(picture);

  function show() {
    const image = images[place];
    title.textContent = images.length > 1 ? `${image.name}（${place + 1} / ${images.length}）` : image.name;
    picture.alt = image.name;
    if (picture.getAttribute("src") !== image.url) picture.src = image.url;
    const sideways = turned % 180 !== 0;
    picture.classList.toggle("sideways", sideways);
    picture.style.transform = `rotate(${turned}deg)`;
    previous.disabled = place === 0;
    next.disabled = place === images.length - 1;
  }
  function go(steps) {
    const target = place + steps;
    if (target < 0 || target >= images.length) return;
    place = target;
    turned = 0;
    show();
  }
  function turn(degrees) {
    turned = (turned + degrees + 360) % 360;
    show();
  }

  const previous = button("前へ", "", () => go(-1));
  const next = button("次へ", "", () => go(1));
  const tools = element("div", "zoom-tools");
  tools.append(
    previous,
    next,
    button("左に回転", "", () => turn(-90)),
    button("右に回転", "", () => turn(90)),
    button("閉じる", "primary", () => dialog.close()),
  );
  dialog.setAttribute("aria-label", "画像の拡大表示");
  dialog.append(title, stage, tools);
  dialog.onclose = () => dialog.remove();
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  dialog.onkeydown = (event) => {
    const does = { ArrowLeft: () => go(-1), ArrowRight: () => go(1), r: () => turn(90), R: () => turn(-90) }[event.key];
    // Streamlit has keys of its own for the page below.
    event.stopPropagation();
    if (does) {
      event.preventDefault();
      does();
    }
  };
  root.append(dialog);
  show();
  dialog.showModal();
}

export function isImage(file) {
  return (file.content_type || "").startsWith("image/");
}

export function sizeInWords(bytes) {
  if (bytes >= 1024 * 1024) return `${Math.round(bytes / 1024 / 102.4) / 10}MB`;
  return `${Math.max(1, Math.round(bytes / 1024))}KB`;
}
