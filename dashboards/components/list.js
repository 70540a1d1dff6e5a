// A list as a real table; in little room each row is a card. Python (dashboards/ui/tables.py) sorts and pages.
//
// data: {alt, columns: [{title, kind, width, right, help, sort, order}], rows: [{id, href, cells, hints}], actions: [label],
//   opens: a click on a row is its first action, bulk: [label], hidden: [title], local: the browser sorts,
//   scrolls: ten rows at most}
// triggers: "action" {id, label}, "bulk" {ids, label}, "sort" title, "hidden" [title]
const CARDS_BELOW = 640;
// How far columns may shrink before rows become cards; further at a desk, where rows are compared.
const SHRINK = 0.7;
const SHRINK_AT_DESK = 0.5;
const DESK = 1024;
const EMPTY = "–";
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

class List {
  chosen = new Set();
  drawn = new Map();
  localOrder = null;

  constructor(root) {
    this.root = root;
    this.head = element("tr");
    this.body = element("tbody");
    this.widths = element("colgroup");
    this.table = element("table", {}, [this.widths, element("thead", {}, [this.head]), this.body]);
    this.frame = element("div", { className: "frame" }, [this.table]);
    this.bulk = element("div", { className: "bulk", hidden: true });
    this.bulk.setAttribute("role", "region");
    this.bulk.setAttribute("aria-label", "選択した行の操作");
    this.menu = element("div", { className: "menu", popover: "auto" });
    root.replaceChildren(this.frame, this.bulk, this.menu);
    this.table.addEventListener("click", (event) => this.clicked(event));
    this.table.addEventListener("keydown", (event) => this.moved(event));
    new ResizeObserver(() => this.fit()).observe(root);
  }

  update(data, send) {
    this.data = data;
    this.send = send;
    const focus = this.focusPlace();
    this.columns = data.columns.map((column, index) => ({ ...column, index }));
    this.shown = this.columns.filter((column, index) => !index || !data.hidden.includes(column.title));
    this.table.setAttribute("aria-label", data.alt);
    this.frame.classList.toggle("scrolls", data.scrolls);
    this.root.classList.toggle("quiet", !data.opens);
    const layout = JSON.stringify([data.columns, data.hidden, data.actions, data.bulk, data.opens, this.localOrder]);
    if (layout !== this.layout) {
      this.layout = layout;
      this.drawn.clear();
      this.drawHead();
    }
    this.drawRows();
    for (const id of this.chosen) if (!this.drawn.has(id)) this.chosen.delete(id);
    this.drawBulk();
    this.fit();
    this.focusAgain(focus);
  }

  drawHead() {
    const { actions, bulk } = this.data;
    const cells = this.shown.map((column) => this.titleCell(column));
    const widths = this.shown.map(({ width }) => width ?? 140);
    if (bulk.length) {
      const all = element("input", { type: "checkbox", ariaLabel: "表示している行をすべて選ぶ" });
      all.onchange = () => this.choose(all.checked ? this.data.rows.map((row) => row.id) : []);
      this.all = all;
      cells.unshift(element("th", { className: "pick" }, [all]));
      widths.unshift(40);
    }
    if (actions.length || this.columns.length > 2) {
      const columns = element("button", { className: "icon", ariaLabel: "表示する列を選ぶ", title: "表示する列を選ぶ" });
      columns.append("⋯");
      columns.onclick = () => this.openMenu(columns, this.columnChoices());
      cells.push(element("th", { className: "actions" }, [columns]));
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
    if (!this.data.local || !this.localOrder) return this.data.rows;
    const { index } = this.columns.find(({ title }) => title === this.localOrder.title);
    const sign = this.localOrder.order === "ascending" ? 1 : -1;
    const value = (row) => (Array.isArray(row.cells[index]) ? row.cells[index].join() : row.cells[index]);
    const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : `${a}`.localeCompare(b, "ja"));
    // Empty cells come last in both directions.
    return this.data.rows.toSorted((one, other) => {
      const [a, b] = [value(one), value(other)];
      return a == null || b == null ? (a == null) - (b == null) : sign * compare(a, b);
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
    const lines = [...this.drawn.values()].map(({ line }) => line);
    if (lines.length !== this.body.rows.length || lines.some((line, at) => line !== this.body.rows[at])) {
      this.body.replaceChildren(...lines);
    }
  }

  line(row, line = element("tr")) {
    const { actions, bulk, opens } = this.data;
    line.dataset.id = row.id;
    line.className = opens ? "opens" : "";
    const cells = this.shown.map((column) => this.cell(column, row));
    if (bulk.length) {
      const pick = element("input", { type: "checkbox", checked: this.chosen.has(row.id) });
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
    if (value == null || value === "" || value === EMPTY || (Array.isArray(value) && !value.length)) {
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
      const more = element("button", { className: "icon", textContent: "⋮", ariaLabel: "ほかの操作", title: "ほかの操作" });
      more.ariaHasPopup = "menu";
      more.dataset.place = "more";
      more.onclick = () => this.openMenu(more, further.map((label) => this.menuItem(label, () => this.act(row.id, label))));
      cell.append(more);
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
    if (!link && this.root.getRootNode().getSelection?.()?.toString()) return;
    event.preventDefault();
    this.act(line.dataset.id, this.data.actions[0]);
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
    return at && this.root.contains(at) ? { id: at.closest("tbody tr")?.dataset.id, place: at.dataset.place, at } : null;
  }

  focusAgain(focus) {
    if (!focus?.place || focus.at.isConnected) return;
    const within = focus.id ? this.drawn.get(focus.id)?.line : this.head;
    within?.querySelector(`[data-place="${CSS.escape(focus.place)}"]`)?.focus();
  }

  choose(ids) {
    this.chosen = new Set(ids);
    for (const [id, { line }] of this.drawn) line.querySelector(".pick input").checked = this.chosen.has(id);
    this.drawBulk();
  }

  drawBulk() {
    const count = this.chosen.size;
    this.bulk.hidden = !count;
    if (this.all) {
      this.all.checked = count > 0 && count === this.drawn.size;
      this.all.indeterminate = count > 0 && count < this.drawn.size;
    }
    if (!count) return;
    const buttons = this.data.bulk.map((label) => {
      const button = element("button", { className: "first", textContent: label });
      button.onclick = () => this.send("bulk", { ids: [...this.chosen], label });
      return button;
    });
    const none = element("button", { textContent: "選択を解除" });
    none.onclick = () => this.choose([]);
    this.bulk.replaceChildren(element("span", { textContent: `${count}件を選択中` }), ...buttons, none);
  }

  columnChoices() {
    return this.columns.slice(1).map(({ title }) => {
      const box = element("input", { type: "checkbox", checked: !this.data.hidden.includes(title) });
      box.onchange = () => {
        const hidden = this.data.hidden.filter((other) => other !== title);
        this.data = { ...this.data, hidden: box.checked ? hidden : [...hidden, title] };
        this.send("hidden", this.data.hidden);
        this.update(this.data, this.send);
      };
      return element("label", {}, [box, title]);
    });
  }

  menuItem(label, act) {
    const item = element("button", { textContent: label, role: "menuitem" });
    item.onclick = () => {
      this.menu.hidePopover();
      act();
    };
    return item;
  }

  openMenu(button, items) {
    this.menu.role = items[0].role === "menuitem" ? "menu" : "group";
    this.menu.ariaLabel = button.ariaLabel;
    this.menu.replaceChildren(...items);
    this.menu.showPopover();
    const at = button.getBoundingClientRect();
    const { width, height } = this.menu.getBoundingClientRect();
    this.menu.style.left = `${Math.max(8, at.right - width)}px`;
    this.menu.style.top = `${at.bottom + height > innerHeight ? Math.max(8, at.top - height) : at.bottom}px`;
    this.menu.querySelector("button, input").focus();
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
    const kept = [...fixed].reduce((sum, cell) => sum + Number(this.widths.children[cell.cellIndex].width), 0);
    [...this.widths.children].forEach((column, at) => {
      const isFixed = [...fixed].includes(this.head.cells[at]);
      column.style.width = `${isFixed ? column.width : (column.width * (room - kept)) / (needed - kept)}px`;
    });
  }
}
