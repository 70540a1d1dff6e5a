// A list as a real table; in little room each row is a card. Python (dashboards/ui/tables.py) sorts and pages.
//
// data: {alt, columns: [{title, kind, width, right, help, sort, order}], rows: [{id, href, cells, hints, sort_values}],
//   actions: [label], opens: a click on a row is its first action, bulk: [label], selection: with another one no row is
//   chosen any more, hidden: [title], local: the browser sorts, scrolls: ten rows at most}
// triggers: "action" {id, label}, "bulk" {ids, label}, "sort" title, "hidden" [title]
const CARDS_BELOW = 640;
// How far columns may shrink before rows become cards; further at a desk, where rows are compared.
const SHRINK = 0.7;
const SHRINK_AT_DESK = 0.5;
const DESK = 1024;
const EMPTY = "–";
// Pixels that the pointer moves in a click that selects text.
const DRAG = 4;
const JAPANESE = new Intl.Collator("ja", { numeric: true });
const NUMBER = new Intl.NumberFormat("ja-JP");
const FORMATS = {
  number: (value) => NUMBER.format(value),
  percent: (value) => `${Math.trunc(value)}%`,
  money: (value) => `¥${NUMBER.format(value)}`,
};
const LISTS = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".list");
  if (!LISTS.has(root)) LISTS.set(root, new List(root));
  try {
    LISTS.get(root).update(data, setTriggerValue);
  } catch (error) {
    // After an update of the program, an open page may get data that its script does not know.
    root.textContent = "一覧を表示できませんでした。ページを読み込み直してください。";
    LISTS.delete(root);
    console.error(error);
  }
}

function element(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function isEmpty(value) {
  return value == null || value === "" || value === EMPTY || (Array.isArray(value) && !value.length);
}

function isDrag(from, to) {
  return Math.hypot(to.clientX - from.clientX, to.clientY - from.clientY) > DRAG;
}

class List {
  chosen = new Set();
  drawn = new Map();
  localOrder = null;
  hidden = [];

  constructor(root) {
    this.root = root;
    this.head = element("tr");
    this.body = element("tbody");
    this.widths = element("colgroup");
    this.table = element("table", {}, [this.widths, element("thead", {}, [this.head]), this.body]);
    this.frame = element("div", { className: "frame" }, [this.table]);
    this.all = element("input", { type: "checkbox", ariaLabel: "表示している行をすべて選ぶ" });
    this.all.onchange = () => this.choose(this.all.checked ? this.data.rows.map((row) => row.id) : []);
    this.all.dataset.place = "all";
    this.columnsButton = this.menuButton("⋯", "表示する列を選ぶ", () => this.columnChoices());
    this.count = element("span");
    this.bulk = element("div", { className: "bulk", hidden: true });
    this.bulk.setAttribute("role", "region");
    this.bulk.setAttribute("aria-label", "選択した行の操作");
    this.menu = element("div", { className: "menu", popover: "auto", role: "group" });
    this.menu.addEventListener("beforetoggle", ({ newState }) => newState === "closed" && this.menuCloses());
    root.replaceChildren(this.frame, this.bulk, this.menu);
    this.table.addEventListener("pointerdown", (event) => (this.pressed = event));
    this.table.addEventListener("click", (event) => this.clicked(event));
    this.table.addEventListener("keydown", (event) => this.moved(event));
    new ResizeObserver(() => this.fit()).observe(root);
  }

  update(data, send) {
    this.data = data;
    this.send = send;
    const focus = this.focusPlace();
    // An answer from before the user's last choice of columns does not undo it.
    const storedHidden = JSON.stringify(data.hidden);
    if (storedHidden !== this.storedHidden) this.hidden = data.hidden;
    this.storedHidden = storedHidden;
    if (data.selection !== this.selection) this.chosen.clear();
    this.selection = data.selection;
    this.columns = data.columns.map((column, index) => ({ ...column, index }));
    this.shown = this.columns.filter((column, index) => !index || !this.hidden.includes(column.title));
    this.table.setAttribute("aria-label", data.alt);
    this.frame.classList.toggle("scrolls", data.scrolls);
    this.root.classList.toggle("quiet", !data.opens);
    const layout = JSON.stringify([data.columns, this.hidden, data.actions, data.bulk, data.opens, this.localOrder]);
    if (layout !== this.layout) {
      this.layout = layout;
      this.drawn.clear();
      this.drawHead();
    }
    this.drawRows();
    this.choose([...this.chosen].filter((id) => this.drawn.has(id)));
    this.fit();
    this.focusAgain(focus);
  }

  drawHead() {
    const { actions, bulk } = this.data;
    const cells = this.shown.map((column) => this.titleCell(column));
    const widths = this.shown.map(({ width }) => width ?? 140);
    if (bulk.length) {
      const label = element("label", {}, [this.all, element("span", { textContent: "すべて選ぶ" })]);
      cells.unshift(element("th", { className: "pick" }, [label]));
      widths.unshift(40);
    }
    if (actions.length || this.columns.length > 2) {
      cells.push(element("th", { className: "actions" }, [this.columnsButton]));
      widths.push(actions.length ? 28 + 14 * actions[0].length + (actions.length > 1 ? 36 : 0) : 36);
    }
    this.head.replaceChildren(...cells);
    for (const cell of cells) cell.scope = "col";
    this.widths.replaceChildren(...widths.map((width) => element("col", { width })));
  }

  titleCell(column) {
    const order = this.data.local ? this.localOrder?.title === column.title && this.localOrder.order : column.order;
    const cell = element("th", { className: column.right ? "right" : "" });
    if (column.help) cell.title = column.help;
    if (!column.sort && !this.data.local) {
      cell.append(column.title);
      return cell;
    }
    if (order) cell.ariaSort = order;
    const mark = element("span", { className: "mark", ariaHidden: "true" });
    mark.textContent = { ascending: "▲", descending: "▼" }[order] ?? "";
    const button = element("button", { className: "sort" }, [column.title, mark]);
    button.dataset.place = `sort ${column.title}`;
    button.onclick = () => (this.data.local ? this.sortHere(column.title) : this.send("sort", column.title));
    cell.append(button);
    return cell;
  }

  sortHere(title) {
    const isSame = this.localOrder?.title === title && this.localOrder.order === "ascending";
    this.localOrder = { title, order: isSame ? "descending" : "ascending" };
    this.update(this.data, this.send);
  }

  rows() {
    const column = this.data.local && this.columns.find(({ title }) => title === this.localOrder?.title);
    if (!column) return this.data.rows;
    const sign = this.localOrder.order === "ascending" ? 1 : -1;
    const value = ({ cells, sort_values: values }) => (column.title in values ? values[column.title] : cells[column.index]);
    const text = (cell) => (Array.isArray(cell) ? cell.map(([label]) => label).join() : `${cell}`);
    const compare = (a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b : JAPANESE.compare(text(a), text(b));
    // Empty cells come last in both directions.
    return this.data.rows.toSorted((one, other) => {
      const [a, b] = [value(one), value(other)];
      return isEmpty(a) || isEmpty(b) ? isEmpty(a) - isEmpty(b) : sign * compare(a, b);
    });
  }

  drawRows() {
    const rows = this.rows();
    const known = this.drawn;
    this.drawn = new Map();
    for (const row of rows) {
      const text = JSON.stringify(row);
      const old = known.get(row.id);
      this.drawn.set(row.id, old?.text === text ? old : { text, line: this.line(row, old?.line) });
    }
    const lines = new Set([...this.drawn.values()].map(({ line }) => line));
    for (const line of [...this.body.rows]) if (!lines.has(line)) line.remove();
    // A line that is inserted again loses the focus and the selected text.
    let next = this.body.firstElementChild;
    for (const line of lines) {
      if (line === next) next = next.nextElementSibling;
      else this.body.insertBefore(line, next);
    }
  }

  line(row, line = element("tr")) {
    const { actions, bulk, opens } = this.data;
    line.dataset.id = row.id;
    line.className = opens ? "opens" : "";
    const cells = this.shown.map((column) => this.cell(column, row));
    if (bulk.length) {
      const pick = element("input", { type: "checkbox" });
      pick.ariaLabel = `${row.cells[0] ?? EMPTY}を選ぶ`;
      pick.dataset.place = "pick";
      pick.onchange = () => this.choose(pick.checked ? [...this.chosen, row.id] : [...this.chosen].filter((id) => id !== row.id));
      cells.unshift(element("td", { className: "pick" }, [pick]));
    }
    if (this.head.lastChild.className === "actions") cells.push(this.actionCell(row, actions));
    line.replaceChildren(...cells);
    return line;
  }

  cell(column, row) {
    const value = row.cells[column.index];
    const isFirst = !column.index;
    const cell = element(isFirst ? "th" : "td", { className: `is-${column.kind} ${column.right ? "right" : ""}` });
    if (isFirst) cell.scope = "row";
    else cell.dataset.title = column.title;
    if (isEmpty(value)) {
      cell.classList.add("empty");
      cell.append(EMPTY);
    } else if (Array.isArray(value)) {
      cell.append(...value.map(([label, color]) => element("span", { className: `badge ${color}`, textContent: label })));
    } else {
      const text = (FORMATS[column.kind] ?? String)(value);
      const inside = isFirst && row.href ? element("a", { href: row.href }) : element("span");
      inside.textContent = text;
      inside.className = "text";
      inside.dataset.place = "open";
      inside.title = row.hints?.[column.title] ?? (text.length > 12 ? text : "");
      cell.append(inside);
    }
    return cell;
  }

  actionCell(row, [first, ...further]) {
    const cell = element("td", { className: "actions" });
    if (first) {
      const button = element("button", { className: "first", textContent: first });
      button.dataset.place = "first";
      button.onclick = () => this.act(row.id, first);
      cell.append(button);
    }
    if (further.length) {
      cell.append(this.menuButton("⋮", "ほかの操作", () => further.map((label) => this.menuAction(row.id, label))));
    }
    return cell;
  }

  act(id, label) {
    this.send("action", { id, label });
  }

  clicked(event) {
    const line = event.target.closest("tbody tr");
    const link = event.target.closest("a");
    if (link && (event.ctrlKey || event.metaKey || event.shiftKey)) return;
    if (!line || !this.data.opens || event.target.closest("button, .pick")) return;
    const { pressed } = this;
    this.pressed = null;
    if (!link && (this.textIsSelected() || (pressed && isDrag(pressed, event)))) return;
    event.preventDefault();
    this.act(line.dataset.id, this.data.actions[0]);
  }

  // Only Chromium tells what is selected in a shadow root.
  textIsSelected() {
    return `${this.root.getRootNode().getSelection?.() ?? document.getSelection()}` !== "";
  }

  moved(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const line = step && event.target.closest("tbody tr")?.[step];
    if (!line) return;
    event.preventDefault();
    line.querySelector(`[data-place="${event.target.dataset.place}"]`)?.focus();
  }

  focusPlace() {
    const at = this.root.getRootNode().activeElement;
    return at && this.root.contains(at) ? this.placeOf(at) : null;
  }

  placeOf(at) {
    return { id: at.closest("tbody tr")?.dataset.id, place: at.dataset.place, at };
  }

  focusAgain(focus) {
    if (!focus?.place || this.root.getRootNode().activeElement === focus.at) return;
    const part = focus.id ? this.drawn.get(focus.id)?.line : this.head;
    part?.querySelector(`[data-place="${CSS.escape(focus.place)}"]`)?.focus({ preventScroll: true });
  }

  choose(ids) {
    this.chosen = new Set(ids);
    for (const box of this.body.querySelectorAll(".pick input")) box.checked = this.chosen.has(box.closest("tr").dataset.id);
    const count = this.chosen.size;
    this.all.checked = count > 0 && count === this.drawn.size;
    this.all.indeterminate = count > 0 && count < this.drawn.size;
    this.drawBulk();
  }

  drawBulk() {
    const labels = JSON.stringify(this.data.bulk);
    if (labels !== this.bulkLabels) this.bulk.replaceChildren(this.count, ...this.bulkButtons());
    this.bulkLabels = labels;
    this.count.textContent = `${this.chosen.size}件を選択中`;
    const hasFocus = this.bulk.contains(this.root.getRootNode().activeElement);
    this.bulk.hidden = !this.chosen.size;
    if (this.bulk.hidden && hasFocus) this.all.focus({ preventScroll: true });
  }

  bulkButtons() {
    const buttons = this.data.bulk.map((label) => {
      const button = element("button", { className: "first", textContent: label });
      button.onclick = () => this.send("bulk", { ids: [...this.chosen], label });
      return button;
    });
    const none = element("button", { textContent: "選択を解除" });
    none.onclick = () => this.choose([]);
    return [...buttons, none];
  }

  columnChoices() {
    return this.columns.slice(1).map(({ title }) => {
      const box = element("input", { type: "checkbox", checked: !this.hidden.includes(title) });
      box.onchange = () => {
        const others = this.hidden.filter((other) => other !== title);
        this.hidden = box.checked ? others : [...others, title];
        this.update(this.data, this.send);
      };
      return element("label", {}, [box, title]);
    });
  }

  menuAction(id, label) {
    const button = element("button", { textContent: label });
    button.onclick = () => {
      this.menu.hidePopover();
      this.act(id, label);
    };
    return button;
  }

  menuButton(sign, label, items) {
    const button = element("button", { className: "icon", textContent: sign, ariaLabel: label, title: label });
    button.ariaExpanded = "false";
    button.dataset.place = label;
    button.onclick = () => this.openMenu(button, items());
    return button;
  }

  openMenu(button, items) {
    this.menu.hidePopover();
    this.menu.ariaLabel = button.ariaLabel;
    this.menu.replaceChildren(...items);
    this.menu.showPopover();
    this.opener = this.placeOf(button);
    button.ariaExpanded = "true";
    const at = button.getBoundingClientRect();
    const { width, height } = this.menu.getBoundingClientRect();
    this.menu.style.left = `${Math.max(8, at.right - width)}px`;
    this.menu.style.top = `${at.bottom + height > innerHeight ? Math.max(8, at.top - height) : at.bottom}px`;
    this.menu.querySelector("button, input").focus();
  }

  menuCloses() {
    this.opener.at.ariaExpanded = "false";
    if (this.menu.contains(this.root.getRootNode().activeElement)) this.focusAgain(this.opener);
    // All choices at once: the answer to the first of several would undo the others.
    if (JSON.stringify(this.hidden) !== this.storedHidden) this.send("hidden", this.hidden);
  }

  fit() {
    const room = this.root.clientWidth;
    if (!room || !this.data) return;
    const needed = [...this.widths.children].reduce((sum, column) => sum + Number(column.width), 0);
    const least = needed * (innerWidth < DESK ? SHRINK : SHRINK_AT_DESK);
    const isCards = least > room || (this.data.actions.length > 0 && innerWidth < CARDS_BELOW);
    this.root.classList.toggle("cards", isCards);
    // Columns for buttons and boxes keep their width.
    const fixed = this.head.querySelectorAll(".pick, .actions");
    const fixedWidth = [...fixed].reduce((sum, cell) => sum + Number(this.widths.children[cell.cellIndex].width), 0);
    [...this.widths.children].forEach((column, at) => {
      const isFixed = [...fixed].includes(this.head.cells[at]);
      column.style.width = `${isFixed ? column.width : (column.width * (room - fixedWidth)) / (needed - fixedWidth)}px`;
    });
  }
}
