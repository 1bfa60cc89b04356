// What a report shows, drawn from the JSON in the file (sim/report/html.cpp says what is in it).
// Texts go into the page as texts, never as HTML. Sections: tools, tables, the charts, then what
// each part of the page holds; at the end everything is put together.
"use strict";
(() => {
    const data = JSON.parse(document.getElementById("data").textContent);

    // ---- tools ---------------------------------------------------------------------------------

    const $ = (id) => document.getElementById(id);

    // el("td", {class: "number", onclick: f}, "text", another element)
    function el(tag, properties = {}, ...children) {
        const element = document.createElement(tag);
        for (const [name, value] of Object.entries(properties)) {
            if (name.startsWith("on")) {
                element.addEventListener(name.slice(2), value);
            } else if (value !== false && value !== null && value !== undefined) {
                element.setAttribute(name, value);
            }
        }
        element.append(...children.filter((child) => child !== null && child !== undefined));
        return element;
    }
    // A name that may be broken where it is put together.
    const breakable = (name) => el("span", {}, ...name.split(/(?<=[+/_.])/).flatMap((part, i) => i ? [el("wbr"), part] : [part]));
    const button = (label, onclick, properties = {}) => el("button", { type: "button", onclick, ...properties }, label);
    const show = (id, shown = true) => { $(id).hidden = !shown; };

    const number = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const us = (value) => `${number(value, 2)} us`;
    const significant = (value) => Number(value.toPrecision(5)).toLocaleString("en", { maximumFractionDigits: 12 });
    const percent = (value) => `${value > 0 ? "+" : ""}${number(value, 1)} %`;
    const bytes = (value) =>
        value < 1024 ? `${value} B` : value < 1024 ** 2 ? `${number(value / 1024, 1)} KiB`
        : value < 1024 ** 3 ? `${number(value / 1024 ** 2, 1)} MiB` : `${number(value / 1024 ** 3, 1)} GiB`;

    // Black or white, whichever stands out more (WCAG 2.1, "relative luminance").
    function textOn(fill) {
        const [r, g, b] = [1, 3, 5].map((i) => {
            const share = parseInt(fill.slice(i, i + 2), 16) / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
    }

    // As much of the text as fits, in the 12 pixels of the charts.
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    function fitted(text, width) {
        if (width < 16 || pen.measureText(text).width <= width) {
            return width < 16 ? "" : text;
        }
        let length = Math.floor((text.length * width) / pen.measureText(text).width);
        while (length > 1 && pen.measureText(`${text.slice(0, length)}…`).width > width) {
            --length;
        }
        return length > 2 ? `${text.slice(0, length)}…` : "";
    }

    const tip = $("tip");
    // Lines: the first is the name; then [what, value].
    function showTip(lines, x, y) {
        tip.replaceChildren(el("b", {}, lines[0]),
            ...lines.slice(1).map(([what, value]) => el("div", {}, el("span", {}, what), el("span", {}, value))));
        tip.hidden = false;
        const { width, height } = tip.getBoundingClientRect();
        tip.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - width - 6))}px`;
        tip.style.top = `${y + 18 + height > innerHeight ? Math.max(6, y - height - 12) : y + 18}px`;
    }
    const hideTip = () => { tip.hidden = true; };
    document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
    addEventListener("scroll", hideTip, { passive: true });
    const spoken = (lines) => [lines[0], ...lines.slice(1).map((line) => line.join(" "))].join(", ");

    // The items of a chart (groups of SVG, in a selection of D3): a tooltip by pointer and by key, a
    // click or Enter to pick one. One of them is in the tab order; `next(datum, key)` gives the datum
    // that an arrow leads to, `reach` brings it into view.
    function makeItems(items, { lines, pick, next, reach = () => {}, key }) {
        const tabbed = items.nodes().find((node) => node.getAttribute("tabindex") === "0");
        items.classed("item", true)
            .attr("role", "button")
            .attr("tabindex", function (_, i) { return this === tabbed || (!tabbed && i === 0) ? 0 : -1; })
            .attr("aria-label", (datum) => spoken(lines(datum)))
            .each(function (datum) {
                this.onpointermove = (event) => showTip(lines(datum), event.clientX, event.clientY);
                this.onpointerleave = hideTip;
                this.onblur = hideTip;
                this.onclick = () => pick(datum);
                this.onfocus = () => {
                    for (const other of this.parentNode.querySelectorAll(".item[tabindex='0']")) {
                        other.setAttribute("tabindex", -1);
                    }
                    this.setAttribute("tabindex", 0);
                    if (this.matches(":focus-visible")) {
                        const box = this.getBoundingClientRect();
                        showTip(lines(datum), Math.max(box.left, 0), box.bottom - 10);
                    }
                };
                this.onkeydown = (event) => {
                    if (event.key === "Enter" || event.key === " ") {
                        event.preventDefault();
                        pick(datum);
                    } else if (event.key.startsWith("Arrow")) {
                        const to = next(datum, event.key.slice(5).toLowerCase());
                        event.preventDefault();
                        if (to !== undefined && to !== null) {
                            reach(to);
                            const parent = this.parentNode;
                            for (const node of parent.querySelectorAll(".item")) {
                                if (key(d3.select(node).datum()) === key(to)) {
                                    node.focus();
                                }
                            }
                        }
                    }
                };
            });
    }

    // Zoom by Ctrl and the wheel, by two fingers, by buttons and by + and −; plain scrolling scrolls
    // the page. D3 hands the event to its listeners from version 6 on, before it has it in d3.event.
    const transformOf = (event) => (event && event.transform ? event : d3.event).transform;
    function makeZoom(svg, zoom, tools, fit, fitName) {
        zoom.filter(function () {
            const event = d3.event || arguments[0];
            return event.type === "wheel" ? event.ctrlKey || event.metaKey
                : event.type.startsWith("touch") ? event.touches.length > 1 : !event.button;
        });
        svg.call(zoom).on("dblclick.zoom", null).style("touch-action", "pan-x pan-y");
        const by = (factor) => () => svg.call(zoom.scaleBy, factor);
        tools.replaceChildren(
            button("+", by(1.6), { "aria-label": "Zoom in", title: "Zoom in" }),
            button("−", by(1 / 1.6), { "aria-label": "Zoom out", title: "Zoom out" }),
            button(fitName, fit));
        svg.node().onkeydown = (event) => {
            const action = { "+": by(1.6), "=": by(1.6), "-": by(1 / 1.6), 0: fit }[event.key];
            if (action && !event.ctrlKey && !event.metaKey) {
                event.preventDefault();
                action();
            }
        };
    }

    function emptySvg(id, height, label) {
        const holder = $(id);
        holder.replaceChildren();
        const width = Math.max(240, holder.clientWidth);
        const svg = d3.select(holder).append("svg").attr("role", "group").attr("aria-label", label);
        if (height) {
            svg.attr("height", height).attr("viewBox", `0 0 ${width} ${height}`);
        }
        return { svg, width };
    }

    // ---- tables --------------------------------------------------------------------------------

    // Columns: name, cell(row) (a text or an element), value(row) to sort by; number: to the right.
    // `most`: rows that are shown before a button asks for all. Returns the rows' elements, in their
    // order of `rows`.
    function table(id, columns, rows, { sorted = -1, most = Infinity } = {}) {
        const body = el("tbody");
        const heads = columns.map((column, c) => el("th",
            { scope: "col", class: `${column.number ? "number" : ""} ${column.value ? "" : "fixed"}` },
            column.value ? button(column.name, () => sort(c), { class: "plain" }) : column.name));
        const elements = rows.map((row) => el("tr", {}, ...columns.map((column) => el("td",
            { class: column.number ? "number" : column.class, "data-name": column.name }, column.cell(row)))));
        let by = -1, down = false;
        function sort(c) {
            down = by === c ? !down : false;
            by = c;
            const order = d3.range(rows.length).sort((a, b) => {
                const [x, y] = [columns[c].value(rows[a]), columns[c].value(rows[b])];
                const compared = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
                return (down ? -compared : compared) || a - b;
            });
            heads.forEach((head, h) => {
                if (h === c) {
                    head.setAttribute("aria-sort", down ? "descending" : "ascending");
                } else {
                    head.removeAttribute("aria-sort");
                }
            });
            body.replaceChildren(...order.map((index) => elements[index]));
        }
        body.append(...elements);
        $(id).replaceChildren(el("table", {},
            el("thead", {}, el("tr", {}, ...heads)), body));
        if (sorted >= 0) {
            sort(sorted);
        }
        if (rows.length > most + 1) {
            [...body.children].slice(most).forEach((row) => { row.hidden = true; });
            const all = button(`Show all ${rows.length}`, () => {
                elements.forEach((row) => { row.hidden = false; });
                all.remove();
            }, { class: "all" });
            $(id).append(all);
        }
        return elements;
    }

    // ---- devices -------------------------------------------------------------------------------

    const devicesHere = data.platform ? data.platform.devices : [];
    const colours = new Map(devicesHere.map((device) => [device.name, device.colour]));
    const colourOf = (device) => colours.get(device) || "#888888";
    const swatch = (device) => el("span", { class: "swatch", style: `background: ${colourOf(device)}` });
    const deviceCell = (devices) => el("span", {}, ...devices.map(({ device, share }) => el("span",
        { class: "where", style: "margin-right: 8px" }, swatch(device),
        devices.length > 1 ? `${device} ${number(100 * share, 0)} %` : device)));

    // ---- a mapping -----------------------------------------------------------------------------

    // Of `hetmap map --json`: tasks, and boxes in lanes.
    function mappingOf(answer) {
        const tasks = answer.layers.map((layer, index) => {
            const channels = d3.sum(layer.parts, (part) => part.channels);
            return {
                ...layer,
                index,
                kernels: `${layer.variant} ${layer.configuration}`.trim(),
                duration: layer.end_us - layer.start_us,
                devices: layer.parts.length
                    ? layer.parts.map((part) => ({ device: part.device, share: part.channels / channels, part }))
                    : [{ device: layer.device, share: 1, part: null }],
            };
        });
        const byName = new Map(tasks.map((task) => [task.name, task]));
        const boxes = [];
        const host = data.platform.devices[0].name;
        const add = (lane, kind, event, name, task, extra = {}) => boxes.push({
            lane, kind, name, task, start: event.start_us, end: event.end_us,
            waited: lane === host ? event.waited_us || 0 : 0, ...extra });
        for (const task of tasks) {
            for (const { device, part } of task.devices) {
                add(device, "task", task, task.name, task, { part });
            }
        }
        for (const copy of answer.copies) {
            add(copy.engine, "copy", copy, `copy of ${copy.tensor}`, byName.get(copy.for), { detail: `${copy.from} to ${copy.to}` });
        }
        for (const conversion of answer.conversions) {
            add(conversion.device, "conversion", conversion, `conversion of ${conversion.tensor}`, byName.get(conversion.for),
                { detail: `${conversion.from} to ${conversion.to}` });
        }
        for (const submission of answer.submissions) {
            add("dispatcher", "submission", submission, "submission", byName.get(submission.for), { detail: submission.device });
        }
        for (const loading of answer.reconfigurations) {
            add(loading.device, "reconfiguration", loading, "reconfiguration", byName.get(loading.for), { detail: loading.device });
        }
        const devices = devicesHere.map((device) => device.name);
        const used = new Set(boxes.map((box) => box.lane));
        const lanes = [...(used.has("dispatcher") ? ["dispatcher"] : []),
            ...devices.filter((device) => used.has(device)),
            ...[...used].filter((lane) => lane !== "dispatcher" && !devices.includes(lane))];
        boxes.forEach((box) => { box.row = lanes.indexOf(box.lane); });
        boxes.sort((a, b) => a.start - b.start || a.row - b.row);
        boxes.forEach((box, index) => { box.index = index; });
        return { answer, tasks, byName, boxes, lanes, makespan: answer.makespan_us || d3.max(boxes, (box) => box.end) || 1 };
    }

    const shareOf = (mapping, task) => task.duration / mapping.makespan;
    const spreadText = (spread) => spread ? `${number(spread.p05_us, 2)} to ${number(spread.p95_us, 2)}` : "–";

    function taskLines(mapping, task) {
        return [task.name,
            ...(task.kernel ? [["", task.kernel]] : []),
            ...task.devices.map(({ device, part }) => part
                ? [device, `${part.variant} ${part.configuration}`.trim() + `, ${part.channels} channels, busy ${us(part.busy_us)}`]
                : [device, task.kernels]),
            ["from, to", `${number(task.start_us, 2)}, ${us(task.end_us)}`],
            ["takes", `${us(task.duration)} (${number(100 * shareOf(mapping, task), 1)} %)`],
            ["cost", task.cost_kind],
            ...(task.spread ? [["p05 to p95", `${spreadText(task.spread)} us`]] : []),
            ...(task.precision ? [["precision", task.precision]] : []),
            ...(task.energy_mj !== null && task.energy_mj > 0 ? [["energy", `${significant(task.energy_mj)} mJ`]] : [])];
    }
    function boxLines(mapping, box) {
        return box.kind === "task" ? taskLines(mapping, box.task)
            : [box.name, [box.kind, box.detail], ["from, to", `${number(box.start, 2)}, ${us(box.end)}`],
                ["takes", us(box.end - box.start)], ...(box.task ? [["for", box.task.name]] : [])];
    }

    // What is picked, looked for and filtered, in all views of the mapping at once.
    const view = { mapping: null, picked: null, text: "", devices: new Set(), follow: [] };
    const isOn = (task) => task &&
        (!view.text || task.layers.some((name) => name.toLowerCase().includes(view.text))) &&
        (!view.devices.size || task.devices.some(({ device }) => view.devices.has(device)));
    function refresh() {
        view.follow.forEach((follow) => follow());
        const on = view.mapping.tasks.filter(isOn).length;
        const all = view.mapping.tasks.length;
        $("count").textContent = view.text || view.devices.size ? `${on} of ${all} rows` : `${all} rows`;
    }
    function pick(task) {
        view.picked = task && view.picked !== task.index ? task.index : null;
        refresh();
    }

    function drawTimeline(mapping) {
        const lane = 48, top = 24, height = top + lane * mapping.lanes.length + 4;
        const { svg, width } = emptySvg("timeline-chart", height, "Timeline");
        const x = d3.scaleLinear([0, mapping.makespan], [1, width - 1]);
        let zoomed = x;
        const axis = svg.append("g").attr("class", "axis").attr("transform", `translate(0,${top - 2})`);
        const lanes = svg.append("g").selectAll("g").data(mapping.lanes).join("g")
            .attr("transform", (_, i) => `translate(0,${top + i * lane})`);
        lanes.append("line").attr("class", "lane").attr("x2", width).attr("y1", lane).attr("y2", lane);
        const plot = svg.append("g");
        lanes.append("text").attr("x", 2).attr("y", 13).attr("font-weight", 600).text((name) => name);

        function render() {
            axis.call(d3.axisTop(zoomed).ticks(Math.max(2, width / 110)).tickSize(-(height - top)).tickFormat((t) => `${significant(t)} us`));
            axis.selectAll("text").attr("dy", "-0.2em");
            axis.selectAll("text")  // none is cut off at an edge
                .attr("text-anchor", (t) => zoomed(t) < 30 ? "start" : "middle")
                .style("visibility", (t) => zoomed(t) > width - 32 ? "hidden" : null);
            const visible = mapping.boxes.filter((box) => zoomed(box.end) >= 0 && zoomed(box.start) <= width);
            const left = (box) => Math.max(-4, zoomed(box.start));
            const wide = (box) => Math.max(0.8, Math.min(width + 4, zoomed(box.end)) - left(box) - 0.6);
            const groups = plot.selectAll("g.box").data(visible, (box) => box.index).join((enter) => {
                const group = enter.append("g").attr("class", "box");
                group.append("rect").attr("class", "held").attr("y", 18).attr("height", 26).attr("rx", 2);
                group.append("rect").attr("class", "edge").attr("y", 18).attr("height", 26).attr("rx", 2);
                group.append("text").attr("y", 35).attr("text-anchor", "middle");
                group.append("line").attr("class", "wait").attr("y1", 31).attr("y2", 31);
                return group;
            }).attr("transform", (box) => `translate(0,${top + box.row * lane})`);
            groups.order();
            // A divided layer holds its devices until the last is done; solid is what each works.
            const working = (box) => box.part ? Math.min(wide(box), Math.max(0.8, zoomed(box.start + box.part.busy_us) - left(box))) : wide(box);
            groups.each(function (box) {
                const rects = this.querySelectorAll("rect"), text = this.querySelector("text"), wait = this.querySelector("line");
                const fill = box.kind === "task" ? colourOf(box.lane) : null;
                for (const rect of rects) {
                    rect.setAttribute("x", left(box));
                    rect.setAttribute("width", wide(box));
                }
                if (!fill) {
                    rects[0].setAttribute("class", `held fill-${box.kind}`);
                    rects[0].style.opacity = 1;
                } else {
                    rects[0].style.fill = fill;
                    rects[0].style.opacity = box.part ? 0.35 : 1;
                }
                let solid = this.querySelector(".solid");
                if (box.part && !solid) {
                    solid = this.insertBefore(document.createElementNS("http://www.w3.org/2000/svg", "rect"), rects[1]);
                    for (const [name, value] of Object.entries({ class: "solid", y: 18, height: 26, rx: 2 })) {
                        solid.setAttribute(name, value);
                    }
                    solid.style.fill = fill;
                }
                if (solid) {
                    solid.setAttribute("x", left(box));
                    solid.setAttribute("width", working(box));
                }
                text.textContent = fitted(box.name, (box.part ? working(box) : wide(box)) - 8);
                text.setAttribute("x", left(box) + (box.part ? working(box) : wide(box)) / 2);
                text.style.fill = fill ? textOn(fill) : "";
                wait.setAttribute("x1", box.waited > 0 ? zoomed(box.start - box.waited) : left(box));
                wait.setAttribute("x2", left(box));
            });
            makeItems(groups, {
                lines: (box) => boxLines(mapping, box),
                key: (box) => box.index,
                pick: (box) => pick(box.task),
                reach: (box) => {
                    if (zoomed(box.end) < 20 || zoomed(box.start) > width - 20) {
                        svg.call(zoom.translateTo, x((box.start + box.end) / 2), 0);
                    }
                },
                next: (box, way) => {
                    const step = { left: -1, right: 1 }[way];
                    if (step) {
                        return mapping.boxes[box.index + step];
                    }
                    const row = box.row + (way === "up" ? -1 : 1);
                    const others = mapping.boxes.filter((other) => other.row === row);
                    return others[d3.scan(others, (a, b) => Math.abs(a.start - box.start) - Math.abs(b.start - box.start))];
                },
            });
            follow();
        }
        function follow() {
            plot.selectAll("g.box")
                .classed("dim", (box) => (view.text || view.devices.size) && !isOn(box.task))
                .classed("selected", (box) => box.task && box.kind === "task" && box.task.index === view.picked);
        }
        const shortest = d3.min(mapping.boxes.filter((box) => box.end > box.start), (box) => box.end - box.start) || mapping.makespan;
        const zoom = d3.zoom().scaleExtent([1, Math.max(8, (mapping.makespan / shortest) * 60 / width)])
            .extent([[0, 0], [width, height]]).translateExtent([[0, 0], [width, height]])
            .on("zoom", (event) => { zoomed = transformOf(event).rescaleX(x); render(); });
        makeZoom(svg, zoom, $("timeline-tools"), () => svg.call(zoom.transform, d3.zoomIdentity), "Whole");
        render();
        view.follow.push(follow);

        const kinds = new Set(mapping.boxes.map((box) => box.kind));
        $("timeline-legend").replaceChildren(
            ...["copy", "conversion", "submission", "reconfiguration"].filter((kind) => kinds.has(kind)).map((kind) => el("span", {},
                el("span", { class: "swatch", style: `background: var(--${kind === "reconfiguration" ? "submission" : kind})` }),
                { copy: "copy", conversion: "conversion of a layout, or handover", submission: "submission", reconfiguration: "reconfiguration" }[kind])),
            ...(mapping.boxes.some((box) => box.part) ? [el("span", {}, "faint: held until the layer's other parts are done")] : []),
            ...(mapping.boxes.some((box) => box.waited > 0) ? [el("span", {}, "dashed: the host waits")] : []));
    }

    // ---- the network ---------------------------------------------------------------------------

    // Nodes: the mapping's tasks, and the model's inputs and outputs, which none covers.
    function graphOf(mapping) {
        const nodes = mapping.tasks.map((task) => ({ name: task.name, task, inputs: new Map(), readers: [] }));
        const owner = new Map(), network = data.networks[mapping.answer.model];
        nodes.forEach((node) => node.task.layers.forEach((name) => owner.set(name, node)));
        network.forEach((layer) => {
            if (!owner.has(layer.name)) {
                const node = { name: layer.name, task: null, inputs: new Map(), readers: [] };
                owner.set(layer.name, node);
                nodes.push(node);
            }
        });
        const converted = new Set(mapping.answer.conversions.map((conversion) => JSON.stringify([conversion.tensor, conversion.for])));
        const memories = new Map(data.platform.devices.map((device) => [device.name, device.memory]));
        const memoryOf = (node) => memories.get(node.task ? node.task.device : data.platform.devices[0].name);
        network.forEach((layer) => layer.inputs.forEach((input) => {
            const from = owner.get(network[input].name), to = owner.get(layer.name);
            if (from !== to) {
                const changed = memoryOf(from) !== memoryOf(to) || converted.has(JSON.stringify([network[input].name, to.task ? to.name : null]));
                to.inputs.set(from, to.inputs.get(from) || changed);
            }
        }));
        nodes.forEach((node) => node.inputs.forEach((_, from) => from.readers.push(node)));
        return nodes;
    }

    // Rows by the longest way from an input; then ways through the network, the longest first, each
    // straight down in the column nearest to the middle that is free, and edges past other layers in
    // columns of their own.
    function arrange(nodes) {
        const order = [], open = new Map(nodes.map((node) => [node, node.inputs.size]));
        for (const queue = nodes.filter((node) => node.inputs.size === 0); queue.length;) {
            const node = queue.shift();
            node.row = d3.max([...node.inputs.keys()], (input) => input.row + 1) || 0;
            order.push(node);
            node.readers.forEach((reader) => {
                open.set(reader, open.get(reader) - 1);
                if (open.get(reader) === 0) {
                    queue.push(reader);
                }
            });
        }
        const taken = new Map();  // by column: rows
        const free = (column, from, to) => (taken.get(column) || []).every(([a, b]) => to < a || from > b);
        function columnFor(from, to) {
            for (let i = 0; ; ++i) {
                const column = i % 2 ? (i + 1) / 2 : -i / 2;
                if (free(column, from, to)) {
                    taken.set(column, [...(taken.get(column) || []), [from, to]]);
                    return column;
                }
            }
        }
        const left = new Set(order);
        while (left.size) {
            const longest = new Map();
            for (const node of order.slice().reverse().filter((one) => left.has(one))) {
                let best = null;
                node.readers.filter((reader) => left.has(reader)).forEach((reader) => {
                    best = !best || longest.get(reader).length > longest.get(best).length ? reader : best;
                });
                longest.set(node, { length: 1 + (best ? longest.get(best).length : 0), next: best });
            }
            let node = [...left][d3.scan([...left], (a, b) => longest.get(b).length - longest.get(a).length || a.row - b.row)];
            const chain = [];
            for (; node; node = longest.get(node).next) {
                chain.push(node);
                left.delete(node);
            }
            const first = chain[0], last = chain[chain.length - 1];
            const from = d3.min([...first.inputs.keys()], (input) => input.row + 1), to = d3.max(last.readers, (reader) => reader.row - 1);
            const column = columnFor(Math.min(first.row, from === undefined ? first.row : from), Math.max(last.row, to === undefined ? last.row : to));
            chain.forEach((one, i) => Object.assign(one, { column, begins: i === 0, ends: i + 1 === chain.length, after: chain[i - 1] }));
        }
        const edges = [];
        order.forEach((to) => to.inputs.forEach((changed, from) => {
            const passes = to.row > from.row + 1 && to.after !== from && !to.begins && !from.ends;
            const way = to.after === from || to.row === from.row + 1 ? to.column
                : to.begins ? to.column : from.ends ? from.column : columnFor(from.row + 1, to.row - 1);
            edges.push({ from, to, changed, way, passes });
        }));
        // Columns without layers are narrow.
        const columns = [...taken.keys()].sort((a, b) => a - b), middle = new Map();
        let x = 0;
        for (const column of columns) {
            const width = order.some((node) => node.column === column) ? 204 : 28;
            middle.set(column, x + width / 2);
            x += width;
        }
        order.forEach((node) => { node.x = middle.get(node.column); node.y = 30 + node.row * 70; });
        edges.forEach((edge) => { edge.x = middle.get(edge.way); });
        return { nodes: order, edges, width: x, height: 60 + 70 * (d3.max(order, (node) => node.row) || 0) };
    }

    const kNodeWidth = 184, kNodeHeight = 42;
    function drawGraph(mapping) {
        const graph = arrange(graphOf(mapping));
        const { svg } = emptySvg("graph-chart", 0, "Network");
        const { width, height } = $("graph-chart").getBoundingClientRect();
        const plot = svg.append("g");
        const path = (edge) => {
            const [x0, y0, x1, y1] = [edge.from.x, edge.from.y + kNodeHeight / 2, edge.to.x, edge.to.y - kNodeHeight / 2];
            const bend = 14, first = y0 + 28, last = y1 - 28;
            return edge.to.row === edge.from.row + 1 || (edge.x === x0 && edge.x === x1)
                ? `M${x0} ${y0}C${x0} ${y0 + bend} ${x1} ${y1 - bend} ${x1} ${y1}`
                : `M${x0} ${y0}C${x0} ${y0 + bend} ${edge.x} ${first - bend} ${edge.x} ${first}L${edge.x} ${last}C${edge.x} ${last + bend} ${x1} ${y1 - bend} ${x1} ${y1}`;
        };
        plot.selectAll("path.flow").data(graph.edges).join("path")
            .attr("class", (edge) => edge.changed ? "flow changed" : "flow").attr("d", path);
        const groups = plot.selectAll("g.node").data(graph.nodes).join("g").attr("class", "node")
            .attr("transform", (node) => `translate(${node.x - kNodeWidth / 2},${node.y - kNodeHeight / 2})`);
        groups.append("rect").attr("class", "card").attr("width", kNodeWidth).attr("height", kNodeHeight).attr("rx", 6);
        groups.each(function (node) {
            let x = 0;
            for (const { device, share } of node.task ? node.task.devices : []) {
                for (const [kind, y, tall] of [["tint", 0, kNodeHeight], ["strip", kNodeHeight - 6, 6]]) {
                    d3.select(this).append("rect").attr("class", kind).attr("x", x).attr("y", y)
                        .attr("width", share * kNodeWidth).attr("height", tall).style("fill", colourOf(device));
                }
                x += share * kNodeWidth;
            }
        });
        groups.append("rect").attr("class", "edge").attr("fill", "none").attr("width", kNodeWidth).attr("height", kNodeHeight).attr("rx", 6);
        groups.append("text").attr("x", 9).attr("y", (node) => node.task ? 15 : 25).attr("font-weight", 600)
            .text((node) => fitted(node.name, kNodeWidth - 22));
        groups.filter((node) => node.task).append("text").attr("x", 9).attr("y", 31)
            .text((node) => fitted(`${us(node.task.duration)}, ${node.task.devices.length > 1 ? "divided" : node.task.kernels}`, kNodeWidth - 18));
        makeItems(groups, {
            lines: (node) => node.task ? taskLines(mapping, node.task) : [node.name, ["", node.inputs.size ? "output" : "input"]],
            key: (node) => node.name,
            pick: (node) => pick(node.task),
            reach: centre,
            next: (node, way) => {
                const beside = graph.nodes.filter((other) => other.row === node.row).sort((a, b) => a.x - b.x);
                return way === "up" ? [...node.inputs.keys()][0] : way === "down" ? node.readers[0]
                    : beside[beside.indexOf(node) + (way === "left" ? -1 : 1)];
            },
        });
        const whole = Math.min(width / (graph.width + 24), height / (graph.height + 24));
        const zoom = d3.zoom().scaleExtent([Math.min(whole, 1) * 0.8, 2.5])
            .translateExtent([[-graph.width / 2 - width, -height], [graph.width * 1.5 + width, graph.height + height]])
            .extent([[0, 0], [width, height]])
            .on("zoom", (event) => plot.attr("transform", transformOf(event)));
        const fit = () => svg.call(zoom.transform, d3.zoomIdentity
            .translate(width / 2, height / 2).scale(Math.min(whole, 1.2)).translate(-graph.width / 2, -graph.height / 2));
        function centre(node) {
            svg.call(zoom.translateTo, node.x, node.y);
        }
        makeZoom(svg, zoom, $("graph-tools"), fit, "Whole");
        // At first from the top, large enough to read.
        const scale = Math.max(0.75, Math.min(1, whole)), main = graph.nodes.find((node) => node.column === 0) || graph.nodes[0];
        if (whole >= 0.75 || !main) {
            fit();
        } else {
            const x = graph.width * scale <= width ? graph.width / 2 : main.x;
            svg.call(zoom.transform, d3.zoomIdentity.translate(width / 2 - x * scale, 8).scale(scale));
        }
        let last = "";
        function follow() {
            groups.classed("dim", (node) => (view.text || view.devices.size) && !isOn(node.task))
                .classed("selected", (node) => node.task && node.task.index === view.picked);
            const found = graph.nodes.find((node) => isOn(node.task));
            const now = view.text;
            if (now && now !== last && found) {
                centre(found);
            }
            last = now;
        }
        view.follow.push(follow);
    }

    // ---- the layers, and what goes with a mapping ------------------------------------------------

    function drawLayers(mapping) {
        const columns = [
            { name: "Layer", value: (task) => task.name, cell: (task) => button(breakable(task.name), () => pick(task), { class: "plain" }) },
            { name: "Device", value: (task) => task.device, cell: (task) => deviceCell(task.devices) },
            { name: "Kernel", value: (task) => task.kernels, cell: (task) => task.devices.length > 1 ? "divided" : task.kernels },
            { name: "Start [us]", number: true, value: (task) => task.start_us, cell: (task) => number(task.start_us, 2) },
            { name: "Duration [us]", number: true, value: (task) => task.duration, cell: (task) => number(task.duration, 2) },
            { name: "Share", number: true, value: (task) => task.duration, cell: (task) => el("span", { class: "share" },
                el("i", {}, el("b", { style: `width: ${Math.min(100, 100 * shareOf(mapping, task))}%` })), `${number(100 * shareOf(mapping, task), 1)} %`) },
            { name: "Cost", value: (task) => task.cost_kind, cell: (task) => task.cost_kind },
            { name: "p05–p95 [us]", number: true, cell: (task) => spreadText(task.spread),
                value: (task) => task.spread ? (task.spread.p95_us - task.spread.p05_us) / Math.max(task.spread.p50_us, 1e-9) : -1 },
        ].filter((column) => column.name !== "p05–p95 [us]" || mapping.tasks.some((task) => task.spread));
        const rows = table("layers-table", columns, mapping.tasks, { sorted: 3 });
        view.follow.push(() => rows.forEach((row, index) => {
            row.hidden = Boolean(view.text || view.devices.size) && !isOn(mapping.tasks[index]);
            row.classList.toggle("selected", index === view.picked);
        }));
    }

    function drawBaselines(answer) {
        const ours = answer.value, rows = Object.entries(answer.baselines || {}).filter(([, value]) => value !== null);
        show("baselines", rows.length > 0);
        if (!rows.length) {
            return;
        }
        const all = [["this mapping", ours], ...rows].map(([name, value]) => ({ name, value }));
        table("baselines-table", [
            { name: "Mapping", value: (row) => row.name, cell: (row) => row.name },
            { name: `${answer.objective[0].toUpperCase()}${answer.objective.slice(1)} [${answer.value_unit}]`, number: true, value: (row) => row.value, cell: (row) => significant(row.value) },
            { name: "Times this one", number: true, value: (row) => row.value, cell: (row) => number(row.value / ours, 2) },
        ], all, { sorted: 1, most: 8 });
    }

    function drawUse(answer) {
        const devices = el("div", { id: "use-devices", class: "scroll" }), memories = el("div", { id: "use-memories", class: "scroll" });
        $("use-tables").replaceChildren(devices, memories);
        table("use-devices", [
            { name: "Device", cell: ([name]) => deviceCell([{ device: name, share: 1 }]) },
            { name: "Busy [us]", number: true, cell: ([, use]) => number(use.busy_us, 2) },
            { name: "Of the time", number: true, cell: ([, use]) => `${number(100 * use.utilization, 1)} %` },
        ], Object.entries(answer.devices));
        table("use-memories", [
            { name: "Memory", cell: ([name]) => name },
            { name: "Weights", number: true, cell: ([, use]) => bytes(use.weights_bytes) },
            { name: "Peak", number: true, cell: ([, use]) => bytes(use.peak_bytes) },
            { name: "Has", number: true, cell: ([, use]) => use.capacity_bytes === null ? "–" : bytes(use.capacity_bytes) },
        ], Object.entries(answer.memories));
        Object.entries(answer.resources).forEach(([name, use]) =>
            devices.append(el("p", { class: "hint" }, `${name}: ${use.used.toLocaleString("en")} of ${use.limit.toLocaleString("en")}`)));
        answer.violations.forEach((text) => memories.append(el("p", { class: "bad" }, `does not fit: ${text}`)));
    }

    function drawMapping(answer) {
        show("mapping");
        const mapping = mappingOf(answer);
        Object.assign(view, { mapping, picked: null, follow: [] });
        const used = [...new Set(mapping.tasks.flatMap((task) => task.devices.map(({ device }) => device)))];
        view.devices = new Set([...view.devices].filter((device) => used.includes(device)));
        $("chips").replaceChildren(...data.platform.devices.map((device) => device.name).filter((device) => used.includes(device)).map((device) => {
            const chip = button(swatch(device), () => {
                view.devices.has(device) ? view.devices.delete(device) : view.devices.add(device);
                chip.setAttribute("aria-pressed", view.devices.has(device));
                refresh();
            }, { "aria-pressed": view.devices.has(device) });
            chip.append(device);
            return chip;
        }));
        drawTimeline(mapping);
        drawLayers(mapping);
        drawGraph(mapping);
        drawBaselines(answer);
        drawUse(answer);
        refresh();
    }

    function tiles(list) {
        $("tiles").replaceChildren(...list.filter(Boolean).map(([name, value, note], i) => el("div", { class: i === 0 ? "main" : null },
            el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null))));
    }

    function mappingTiles(answer) {
        const proof = answer.status === "proven" ? ["Proof", "optimal", `in ${answer.proven_for}`]
            : answer.status ? ["Proof", "not proven", answer.bound ? `not below ${significant(answer.bound)} ${answer.value_unit}` : null] : null;
        return [
            ["Latency", us(answer.makespan_us), answer.interval_us ? `${number(answer.interval_us.p05, 2)} to ${us(answer.interval_us.p95)} in nine of ten runs` : null],
            proof,
            answer.throughput ? ["Throughput", `${significant(answer.throughput.frames_per_s || 0)} /s`, `a frame every ${us(answer.throughput.period_us)}`] : null,
            answer.energy_mj !== null ? ["Energy", `${significant(answer.energy_mj)} mJ`] : null,
            answer.accuracy ? ["Accuracy", `${number(answer.accuracy.percent, 2)} %`, answer.accuracy.proxy ? "by proxy, not measured" : "measured"] : null,
            ["Segments", `${answer.segments}`, `${answer.switches} changes of device`],
        ];
    }

    // ---- the front -----------------------------------------------------------------------------

    function unpacked(point) {
        const out = { ...point };
        for (const kind of ["layers", "copies", "conversions", "submissions", "reconfigurations"]) {
            out[kind] = point[kind].map(([thing, start_us, end_us, waited_us]) => ({ ...data.front.things[thing], start_us, end_us, waited_us }));
        }
        return out;
    }

    function drawFront() {
        const { front } = data, objectives = front.objectives, points = front.points.map((point, index) => ({ index, values: point.values }));
        const knees = new Set(front.knees.map((knee) => knee - 1));
        const axes = [objectives[0], objectives[Math.min(1, objectives.length - 1)]];
        const valueText = (objective, value) => `${significant(value)} ${objective.unit}`;
        const twins = Object.keys(data.networks).length > 1;
        const lines = ({ index, values }) => [`Point ${index + 1}${knees.has(index) ? ", a knee" : ""}${twins ? `: ${front.points[index].model}` : ""}`,
            ...objectives.map((objective) => [objective.name, valueText(objective, values[objective.name])])];
        let open = -1, follow = () => {};

        function choose(index) {
            open = index;
            const point = front.points[index];
            drawMapping(unpacked(point));
            $("where").textContent = `Point ${index + 1} of ${points.length}: ${twins ? `${point.model}, ` : ""}` +
                objectives.map((objective) => valueText(objective, point.values[objective.name])).join(", ");
            $("earlier").disabled = index === 0;
            $("later").disabled = index + 1 === points.length;
            follow();
        }
        function draw() {
            const { svg, width } = emptySvg("front-chart", 340, `Front: ${axes[0].name} and ${axes[1].name}`);
            const [left, right, top, bottom] = [56, 22, 26, 46];
            const [x, y] = axes.map((axis, i) => d3.scaleLinear(d3.extent(points, (point) => point.values[axis.name]),
                i ? [340 - bottom, top] : [left, width - right]).nice());
            const px = (point) => x(point.values[axes[0].name]), py = (point) => y(point.values[axes[1].name]);
            svg.append("g").attr("class", "axis").attr("transform", `translate(0,${340 - bottom})`)
                .call(d3.axisBottom(x).ticks(width / 110).tickSize(-(340 - bottom - top)).tickPadding(8)).select(".domain").remove();
            svg.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`)
                .call(d3.axisLeft(y).ticks(6).tickSize(-(width - left - right))).select(".domain").remove();
            svg.append("text").attr("x", width - right).attr("y", 336).attr("text-anchor", "end").text(`${axes[0].name} [${axes[0].unit}]`);
            svg.append("text").attr("x", 2).attr("y", 12).text(`${axes[1].name} [${axes[1].unit}]`);
            const along = points.slice().sort((a, b) => px(a) - px(b) || py(b) - py(a));
            if (objectives.length === 2) {  // of more the picture is a shadow, in which steps mean nothing
                svg.append("path").attr("class", "steps-line").attr("d", d3.line().curve(d3.curveStepAfter).x(px).y(py)(along));
            }
            // What is open or a knee lies on top.
            const rank = (point) => knees.has(point.index) ? 1 : 0;
            const dots = svg.append("g").selectAll("g").data(points.slice().sort((a, b) => rank(a) - rank(b))).join("g")
                .attr("class", (point) => knees.has(point.index) ? "dot knee" : points.length > 200 ? "dot many" : "dot")
                .attr("transform", (point) => `translate(${px(point)},${py(point)})`);
            dots.append("circle").attr("r", 9).attr("fill", "transparent");
            dots.append("path").attr("class", "edge").attr("d", (point) => d3.symbol().type(knees.has(point.index) ? d3.symbolDiamond : d3.symbolCircle)
                .size(knees.has(point.index) ? 130 : points.length > 200 ? 30 : 60)());
            makeItems(dots, {
                lines,
                key: (point) => point.index,
                pick: (point) => choose(point.index),
                next: (point, way) => along[along.indexOf(point) + ({ left: -1, up: -1 }[way] || 1)],
            });
            follow = () => dots.classed("selected", (point) => point.index === open)
                .attr("aria-pressed", (point) => point.index === open)
                .filter((point) => point.index === open).raise().attr("tabindex", function () {
                    dots.attr("tabindex", -1);
                    return 0;
                });
            follow();
        }
        show("front");
        show("steps");
        $("steps").replaceChildren(
            button("‹", () => choose(open - 1), { id: "earlier", "aria-label": "The point before" }),
            button("›", () => choose(open + 1), { id: "later", "aria-label": "The point behind" }),
            el("b", { id: "where", "aria-live": "polite" }));
        if (objectives.length > 2) {
            $("front-axes").replaceChildren(...axes.map((axis, i) => el("label", {}, i ? "Up " : "Right ", el("select",
                { onchange: (event) => { axes[i] = objectives[event.target.selectedIndex]; draw(); } },
                ...objectives.map((objective) => el("option", { selected: objective === axis ? "" : null }, objective.name))))));
        }
        $("front-knees").replaceChildren("Knees:", ...front.knees.map((knee) => button(`${knee}`, () => choose(knee - 1),
            { "aria-label": spoken(lines(points[knee - 1])) })));
        draw();
        choose(front.knees.length ? front.knees[Math.floor(front.knees.length / 2)] - 1 : 0);
        tiles([["Points", front.points.length.toLocaleString("en"), front.proven ? "proven: none is beaten on all objectives" : "not proven"],
            ...objectives.map((objective) => {
                const [least, most] = d3.extent(points, (point) => point.values[objective.name]);
                return [objective.name[0].toUpperCase() + objective.name.slice(1), valueText(objective, least), `to ${valueText(objective, most)}`];
            })]);
        return draw;
    }

    // ---- predicted and measured -------------------------------------------------------------------

    function drawValidation() {
        const { validation } = data;
        const all = [{ ...validation, name: "chosen", series: "chosen" },
            ...validation.baselines.map((one) => ({ ...one, series: "baselines" })),
            ...validation.sample.map((one) => ({ ...one, series: "random" }))];
        const looks = {
            chosen: { symbol: d3.symbolStar, colour: "var(--accent)", name: "chosen" },
            baselines: { symbol: d3.symbolSquare, colour: "#d55e00", name: "baselines" },
            random: { symbol: d3.symbolCircle, colour: "#009e73", name: "random mappings" },
        };
        const lines = (one) => [one.name, ["predicted", us(one.predicted_us)], ["measured", us(one.measured_us.p50)],
            ["p05 to p95", `${number(one.measured_us.p05, 2)} to ${us(one.measured_us.p95)}`], ["error", percent(one.error_percent)]];
        let open = all[0], follow = () => {};

        function choose(one) {
            open = one;
            $("validation-of").textContent = `Layers of ${one.name}`;
            const measured = one.layers.filter((layer) => layer.measured_us);
            table("validation-layers", [
                { name: "Layer", value: (layer) => layer.name, cell: (layer) => layer.name },
                { name: "Device", value: (layer) => layer.device, cell: (layer) => deviceCell([{ device: layer.device, share: 1 }]) },
                { name: "Kernel", value: (layer) => `${layer.variant} ${layer.configuration}`, cell: (layer) => `${layer.variant} ${layer.configuration}` },
                { name: "Predicted [us]", number: true, value: (layer) => layer.predicted_us, cell: (layer) => number(layer.predicted_us, 2) },
                { name: "Measured [us]", number: true, value: (layer) => layer.measured_us.p50, cell: (layer) => number(layer.measured_us.p50, 2) },
                { name: "p05–p95 [us]", number: true, value: (layer) => layer.measured_us.p95 - layer.measured_us.p05,
                    cell: (layer) => `${number(layer.measured_us.p05, 2)} to ${number(layer.measured_us.p95, 2)}` },
                { name: "Error", number: true, value: (layer) => Math.abs(layer.error_percent), cell: (layer) => percent(layer.error_percent) },
                { name: "Cost", value: (layer) => layer.cost_kind, cell: (layer) => layer.cost_kind },
            ], measured);
            follow();
        }
        function draw() {
            const { svg, width } = emptySvg("validation-chart", 400, "Mappings: predicted to the right, measured upwards");
            const [left, right, top, bottom] = [60, 14, 24, 40];
            const values = all.flatMap((one) => [one.predicted_us, one.measured_us.p50]).filter((value) => value > 0);
            const [least, most] = d3.extent(values), log = most / least > 12;
            const scale = (range) => (log ? d3.scaleLog([least / 1.3, most * 1.3], range) : d3.scaleLinear([least - (most - least) * 0.06, most + (most - least) * 0.06], range));
            const x = scale([left, width - right]), y = scale([400 - bottom, top]);
            // Of a wide range powers of ten, of a narrower one 1, 2 and 5 times those.
            const isRound = (t) => (most / least > 300 ? ["1"] : ["1", "2", "5"]).includes(t.toExponential()[0]);
            const ticks = (axis, count) => (log ? axis.tickValues(x.ticks().filter(isRound)) : axis.ticks(count)).tickFormat(significant);
            const [low, high] = x.domain();
            const id = "inside";
            svg.append("clipPath").attr("id", id).append("rect").attr("x", left).attr("y", top).attr("width", width - left - right).attr("height", 400 - top - bottom);
            const line = d3.line();
            const inside = svg.append("g").attr("clip-path", `url(#${id})`);
            const along = d3.range(0, 65).map((i) => log ? low * (high / low) ** (i / 64) : low + ((high - low) * i) / 64);
            inside.append("path").attr("class", "band").attr("d", `${line([...along.map((v) => [x(v), y(Math.max(v / 0.9, 1e-9))]),
                ...along.slice().reverse().map((v) => [x(v), y(Math.max(v / 1.1, 1e-9))])])}Z`);
            svg.append("g").attr("class", "axis").attr("transform", `translate(0,${400 - bottom})`)
                .call(ticks(d3.axisBottom(x), Math.max(3, width / 130)).tickSize(-(400 - bottom - top))).select(".domain").remove();
            svg.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`)
                .call(ticks(d3.axisLeft(y), 6).tickSize(-(width - left - right))).select(".domain").remove();
            inside.raise();
            inside.append("path").attr("class", "diagonal").attr("d", line([[x(low), y(low)], [x(high), y(high)]]));
            svg.append("text").attr("x", width - right).attr("y", 396).attr("text-anchor", "end").text("predicted [us]");
            svg.append("text").attr("x", 2).attr("y", 12).text("measured [us]");
            const sorted = all.slice().sort((a, b) => a.predicted_us - b.predicted_us);
            const dots = svg.append("g").selectAll("g").data(all.slice().reverse()).join("g").attr("class", "dot")
                .attr("transform", (one) => `translate(${x(one.predicted_us)},0)`);
            dots.append("line").attr("class", "whisker")
                .attr("y1", (one) => y(Math.max(one.measured_us.p05, low))).attr("y2", (one) => y(Math.min(one.measured_us.p95, high)));
            dots.append("circle").attr("r", 9).attr("cy", (one) => y(one.measured_us.p50)).attr("fill", "transparent");
            dots.append("path").attr("class", "edge").attr("transform", (one) => `translate(0,${y(one.measured_us.p50)})`)
                .attr("d", (one) => d3.symbol().type(looks[one.series].symbol).size(one.series === "chosen" ? 150 : 60)())
                .style("fill", (one) => looks[one.series].colour).style("fill-opacity", 0.9);
            makeItems(dots, { lines, key: (one) => one.name, pick: choose,
                next: (one, way) => sorted[sorted.indexOf(one) + ({ left: -1, down: -1 }[way] || 1)] });
            follow = () => dots.classed("selected", (one) => one === open).attr("aria-pressed", (one) => one === open);
            follow();
        }
        show("validation");
        $("validation-legend").replaceChildren(...Object.entries(looks).filter(([series]) => all.some((one) => one.series === series)).map(([, look]) => {
            const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
            d3.select(mark).attr("width", 14).attr("height", 14).attr("viewBox", "-8 -8 16 16").attr("aria-hidden", true).style("width", "14px")
                .append("path").attr("d", d3.symbol().type(look.symbol).size(90)()).style("fill", look.colour);
            return el("span", {}, mark, look.name);
        }));
        table("validation-mappings", [
            { name: "Mapping", value: (one) => one.name, cell: (one) => button(one.name, () => choose(one), { class: "plain" }) },
            { name: "Predicted [us]", number: true, value: (one) => one.predicted_us, cell: (one) => number(one.predicted_us, 2) },
            { name: "Measured [us]", number: true, value: (one) => one.measured_us.p50, cell: (one) => number(one.measured_us.p50, 2) },
            { name: "Error", number: true, value: (one) => Math.abs(one.error_percent), cell: (one) => percent(one.error_percent) },
            { name: "Output", value: (one) => String(one.output_identical), cell: (one) => one.output_identical ? "identical" : el("span", { class: "bad" }, "different") },
        ], all);
        $("validation-mappings").classList.add("tall");
        const many = validation.sample.length > 0;
        tiles([["Error", percent(validation.error_percent), "of the chosen mapping"],
            ["Predicted", us(validation.predicted_us), validation.interval_us ? `${number(validation.interval_us.p05, 2)} to ${us(validation.interval_us.p95)} in nine of ten runs` : null],
            ["Measured", us(validation.measured_us.p50), `p05 ${number(validation.measured_us.p05, 2)}, p95 ${us(validation.measured_us.p95)}`],
            many ? ["Median error", `${number(validation.median_error_percent, 1)} %`, `of ${validation.sample.length} random mappings, p90 ${number(validation.p90_error_percent, 1)} %`] : null,
            many ? ["Rank correlation", number(validation.rank_correlation, 3), "of their order, Kendall's tau-b"] : null,
            ["Regret", `${number(validation.regret_percent, 1)} %`, "over the fastest that was measured"],
            ["Outputs", validation.outputs_identical ? "identical" : "DIFFERENT", "to the reference's"]]);
        $("finding").textContent = `${us(validation.predicted_us)} predicted, ${us(validation.measured_us.p50)} measured here in ${validation.rounds} rounds.`;
        $("validation-notes").replaceChildren(
            ...validation.anchors.map((anchor) => el("li", {}, `${anchor.name}: costs measured again take ${number(anchor.ratio, 2)} times what the profile says`)),
            ...(many ? [el("li", {}, `against the machine as it is now: median error ${number(validation.median_error_now_percent, 1)} %; of ${validation.sample.length} measured medians ${validation.inside_interval} are inside the predicted interval, ${validation.inside_interval_now} inside that for the machine as it is now`)] : []),
            ...validation.left_out.map((text) => el("li", {}, `left out: ${text}`)));
        draw();
        choose(all[0]);
        return draw;
    }

    // ---- a sweep -------------------------------------------------------------------------------

    // Dimensions: what differs from cell to cell. All but one value of each are set aside; the chart
    // goes along one of numbers, with a line for each value of another.
    function dimensionsOf(cells) {
        const paths = [...new Set(cells.flatMap((cell) => Object.keys(cell.what_if)))];
        const all = [
            { name: "model", of: (cell) => cell.model },
            { name: "platform", of: (cell) => cell.platform },
            { name: "objective", of: (cell) => cell.objectives.join(", ") },
            { name: "search", of: (cell) => cell.search },
            { name: "constraints", of: (cell) => cell.constraints },
            { name: "batch", of: (cell) => cell.batch, numbers: true },
            ...paths.map((path) => ({ name: path, of: (cell) => path in cell.what_if ? cell.what_if[path] : null, numbers: true })),
        ];
        return all.map((dimension) => {
            const values = [...new Set(cells.map(dimension.of))];
            if (dimension.numbers) {  // what is left as it is comes first
                values.sort((a, b) => (a === null ? -Infinity : a) - (b === null ? -Infinity : b));
            }
            return { ...dimension, values };
        }).filter((dimension) => dimension.values.length > 1);
    }
    const settingText = (value) => value === null ? "as it is" : `${value}`;

    function drawSweep() {
        const { cells, mappings, palette } = data.sweep;
        const dimensions = dimensionsOf(cells), numbers = dimensions.filter((dimension) => dimension.numbers);
        const answered = cells.filter((cell) => cell.value !== null && cell.value !== undefined);
        const setting = new Map(dimensions.map((dimension) => [dimension.name, dimension.of(answered[0] || cells[0])]));
        const places = new Map(cells.map((cell) => [JSON.stringify(dimensions.map((dimension) => dimension.of(cell))), cell]));
        const cellWith = (changes) => places.get(JSON.stringify(dimensions.map(({ name }) => name in changes ? changes[name] : setting.get(name))));
        let along = numbers.find((dimension) => dimension.name !== "batch") || numbers[0];
        let lines = dimensions.find((dimension) => dimension !== along && dimension.values.length <= palette.length);
        const valueText = (cell) => !cell || cell.value === null || cell.value === undefined ? "no answer" : `${significant(cell.value)} ${cell.unit}`;
        const statusText = (cell) => cell.message ? `${cell.status}: ${cell.message}` : cell.status;
        const nameOf = (cell) => [...new Set([cell.model, cell.platform, ...dimensions.map((dimension) =>
            dimension.numbers ? `${dimension.name} ${settingText(dimension.of(cell))}` : dimension.of(cell))])].join(", ");

        function answer() {
            const cell = cellWith({});
            const first = along && cellWith({ [along.name]: along.values[0] });
            const ratio = cell && first && first !== cell && first.value && cell.value && first.unit === cell.unit && cell.objectives.length === 1
                ? `; ${number(cell.value / first.value, 3)} times that of ${along.name} ${settingText(along.values[0])}` : "";
            $("sweep-answer").replaceChildren(el("b", {}, valueText(cell)), cell
                ? `${statusText(cell)}, in ${number(cell.seconds || 0, 2)} s${ratio}` : "The plan has no such cell.");
            const point = cell && cell.points && cell.points[0];
            show("sweep-mapping", Boolean(point && point.mapping !== null));
            $("sweep-file").textContent = point && point.mapping !== null ? mappings[point.mapping].join("\n") : "";
        }

        function set(name, value) {
            setting.set(name, value);
            draw();
        }

        function drawSliders() {
            $("sweep-sliders").replaceChildren(...dimensions.map((dimension) => {
                const { name, values } = dimension;
                if (!dimension.numbers) {
                    return el("label", {}, breakable(name), el("select", { onchange: (event) => set(name, values[event.target.selectedIndex]) },
                        ...values.map((value) => el("option", { selected: value === setting.get(name) ? "" : null }, value))));
                }
                const shown = el("output", {}, settingText(setting.get(name)));
                const slider = el("input", { type: "range", "aria-label": name, min: 0, max: values.length - 1, step: 1,
                    value: values.indexOf(setting.get(name)), "aria-valuetext": settingText(setting.get(name)),
                    oninput: (event) => {
                        const value = values[Number(event.target.value)];
                        shown.textContent = settingText(value);
                        event.target.setAttribute("aria-valuetext", settingText(value));
                        set(name, value);
                    } });
                return el("label", {}, el("span", {}, breakable(name), " ", shown), slider);
            }));
        }

        function drawChart() {
            const kinds = lines ? lines.values : [null];
            const curves = along ? kinds.map((kind, k) => ({
                kind,
                colour: palette[k % palette.length],
                points: along.values.map((value, i) => ({ value, i, k, cell: cellWith({ [along.name]: value, ...(lines ? { [lines.name]: kind } : {}) }) }))
                    .filter(({ cell }) => cell && cell.value !== null && cell.value !== undefined),
            })).filter((curve) => curve.points.length) : [];
            $("sweep-chart").hidden = $("sweep-legend").hidden = !curves.length;
            if (!curves.length) {
                return;
            }
            const points = curves.flatMap((curve) => curve.points), unit = points[0].cell.unit;
            const { svg, width } = emptySvg("sweep-chart", 340, `Along ${along.name}`);
            const [left, right, top, bottom] = [64, 22, 26, 46];
            const x = d3.scalePoint(along.values.map((_, i) => i), [left, width - right]).padding(0.4);
            const most = d3.max(points, ({ cell }) => cell.value), least = d3.min(points, ({ cell }) => cell.value);
            const y = (least > 0 && most > 30 * least ? d3.scaleLog().domain([least, most]) : d3.scaleLinear().domain([Math.min(0, least), most])).range([340 - bottom, top]).nice();
            const every = Math.ceil((along.values.length * 56) / (width - left - right));
            svg.append("g").attr("class", "axis").attr("transform", `translate(0,${340 - bottom})`)
                .call(d3.axisBottom(x).tickValues(d3.range(0, along.values.length, every)).tickFormat((i) => settingText(along.values[i]))
                    .tickSize(-(340 - bottom - top)).tickPadding(8)).select(".domain").remove();
            svg.append("g").attr("class", "axis").attr("transform", `translate(${left},0)`)
                .call(d3.axisLeft(y).ticks(6, "~g").tickSize(-(width - left - right))).select(".domain").remove();
            svg.append("text").attr("x", width - right).attr("y", 336).attr("text-anchor", "end").text(along.name);
            svg.append("text").attr("x", 2).attr("y", 12).text(`${points[0].cell.objectives.join(", ")} [${unit}]`);
            const place = (point) => [x(point.i), y(point.cell.value)];
            svg.append("g").selectAll("path").data(curves).join("path").attr("class", "curve")
                .attr("stroke", (curve) => curve.colour).attr("d", (curve) => d3.line()(curve.points.map(place)));
            const dots = svg.append("g").selectAll("g").data(points).join("g").attr("class", "dot")
                .attr("transform", (point) => `translate(${place(point)})`);
            dots.append("circle").attr("r", 9).attr("fill", "transparent");
            dots.append("path").attr("class", "edge").attr("d", d3.symbol().size(60)())
                .style("fill", (point) => palette[point.k % palette.length]);
            const chosen = cellWith({});
            dots.classed("selected", ({ cell }) => cell === chosen).attr("aria-pressed", ({ cell }) => cell === chosen);
            makeItems(dots, {
                lines: ({ cell }) => [nameOf(cell), [cell.objectives.join(", "), valueText(cell)], ["", statusText(cell)]],
                key: ({ cell }) => nameOf(cell),
                pick: ({ cell }) => {
                    dimensions.forEach((dimension) => setting.set(dimension.name, dimension.of(cell)));
                    draw();
                    drawSliders();
                },
                next: (point, way) => {
                    const step = { left: -1, right: 1 }[way];
                    return step ? points.find((other) => other.k === point.k && other.i === point.i + step)
                        : points.find((other) => other.i === point.i && other.k === point.k + (way === "up" ? -1 : 1));
                },
            });
            $("sweep-legend").replaceChildren(...(lines ? curves : []).map((curve) => el("span", {},
                el("span", { class: "swatch", style: `background: ${curve.colour}` }), `${lines.numbers ? `${lines.name} ` : ""}${settingText(curve.kind)}`)));
        }

        function draw() {
            drawChart();
            answer();
        }

        const chooser = (label, options, chosen, choose) => el("label", {}, `${label} `, el("select",
            { onchange: (event) => { choose(options[event.target.selectedIndex]); draw(); } },
            ...options.map((option) => el("option", { selected: option === chosen ? "" : null }, option ? option.name : "nothing"))));
        show("sweep", dimensions.length > 0);
        $("sweep-axes").replaceChildren(
            ...(numbers.length > 1 ? [chooser("Along", numbers, along, (dimension) => { along = dimension; })] : []),
            ...(dimensions.length > 1 ? [chooser("A line for each", [undefined, ...dimensions], lines, (dimension) => { lines = dimension; })] : []));
        drawSliders();
        draw();

        show("cells");
        const rows = table("cells-table", [
            ...[{ name: "model", of: (cell) => cell.model }, { name: "platform", of: (cell) => cell.platform }]
                .concat(dimensions.filter(({ name }) => name !== "model" && name !== "platform"))
                .map(({ name, of, numbers: number }) => ({
                    name, number, value: (cell) => of(cell) === null ? -Infinity : of(cell), cell: (cell) => settingText(of(cell)) })),
            { name: "found", number: true, value: (cell) => cell.value === null || cell.value === undefined ? Infinity : cell.value, cell: valueText },
            { name: "took [s]", number: true, value: (cell) => cell.seconds || 0, cell: (cell) => number(cell.seconds || 0, 2) },
            { name: "status", value: (cell) => cell.status, cell: statusText },
        ], cells, { most: 200 });
        $("find-cells").oninput = (event) => {
            const text = event.target.value.trim().toLowerCase();
            rows.forEach((row) => { row.hidden = !row.textContent.toLowerCase().includes(text); });
        };
        const count = (status) => cells.filter((cell) => cell.status === status).length;
        tiles([["Cells", cells.length.toLocaleString("en"), count("open") ? `${count("open")} open` : null],
            ["Proven", count("proven").toLocaleString("en"), "optimal"],
            count("unproven") ? ["Not proven", count("unproven").toLocaleString("en")] : null,
            count("refused") ? ["Refused", count("refused").toLocaleString("en"), "no answer"] : null,
            count("failed") ? ["Failed", count("failed").toLocaleString("en")] : null,
            ["Searched", `${number(d3.sum(cells, (cell) => cell.seconds || 0), 1)} s`, "of processor time, added up"]]);
        return drawChart;
    }

    // ---- the machine ---------------------------------------------------------------------------

    function drawMachine() {
        const { platform } = data;
        $("warnings").replaceChildren(...platform.warnings.map((text) => el("li", {}, text)));
        $("provenance").replaceChildren(...[["platform", platform.name], ...platform.set.map((text) => ["set", text]), ...platform.provenance]
            .map(([key, value]) => el("div", {}, el("dt", {}, key.replaceAll("_", " ")), el("dd", {}, value))));
        table("devices", [
            { name: "Device", cell: (device) => device.link ? device.name : deviceCell([{ device: device.name, share: 1 }]) },
            { name: "Kind", cell: (device) => device.link ? "link" : device.kind },
            { name: "Memory", cell: (device) => device.link ? `${device.from} to ${device.to}` : device.memory },
        ], [...platform.devices, ...platform.links.map((link) => ({ ...link, link: true }))]);
    }

    function drawProfile() {
        const { platform } = data, kernel = (cost) => `${cost.variant} ${cost.configuration}`.trim();
        show("costs", platform.measured.length > 0);
        show("fits", platform.fitted.length > 0);
        const spread = (cost) => (cost.us[2] - cost.us[0]) / Math.max(cost.us[1], 1e-9);
        const rows = table("costs-table", [
            { name: "Layers", value: (cost) => cost.layers, cell: (cost) => cost.layers },
            { name: "Batch", number: true, value: (cost) => cost.batch, cell: (cost) => `${cost.batch}` },
            { name: "Device", value: (cost) => cost.device, cell: (cost) => deviceCell([{ device: cost.device, share: 1 }]) },
            { name: "Kernel", value: kernel, cell: kernel },
            { name: "Median [us]", number: true, value: (cost) => cost.us[1], cell: (cost) => number(cost.us[1], 2) },
            { name: "p05–p95 [us]", number: true, value: spread, cell: (cost) => `${number(cost.us[0], 2)} to ${number(cost.us[2], 2)}` },
            { name: "Spread", number: true, value: spread, cell: (cost) => `${number(100 * spread(cost), 1)} %` },
            { name: "Samples", number: true, value: (cost) => cost.samples, cell: (cost) => `${cost.samples}` },
        ], platform.measured);
        $("find-costs").oninput = (event) => rows.forEach((row, i) => {
            row.hidden = !platform.measured[i].layers.toLowerCase().includes(event.target.value.toLowerCase());
        });
        table("fits-table", [
            { name: "Layers", value: (fit) => fit.pattern, cell: (fit) => fit.pattern },
            { name: "Device", value: (fit) => fit.device, cell: (fit) => deviceCell([{ device: fit.device, share: 1 }]) },
            { name: "Kernel", value: kernel, cell: kernel },
            { name: "Shapes", number: true, value: (fit) => fit.samples, cell: (fit) => `${fit.samples}` },
            { name: "Median error", number: true, value: (fit) => fit.median_error_percent, cell: (fit) => `${number(fit.median_error_percent, 1)} %` },
            { name: "p90 error", number: true, value: (fit) => fit.p90_error_percent, cell: (fit) => `${number(fit.p90_error_percent, 1)} %` },
        ], platform.fitted, { sorted: 4 });
        tiles([["Measured", platform.measured.length.toLocaleString("en"), "costs"], ["Fits", `${platform.fitted.length}`],
            ...platform.trials.map((trial) => [`${trial.model}, batch ${trial.batch}`, `${number(trial.ratios[1], 3)}`,
                `of what was predicted, ${number(trial.ratios[0], 3)} to ${number(trial.ratios[2], 3)} in nine of ten of ${trial.samples} trials`])]);
        $("finding").textContent = platform.warnings.length ? `${platform.warnings.length} warnings, see below.` : "";
    }

    // ---- the page ------------------------------------------------------------------------------

    const [title, ...rest] = data.heading.split(", ");
    $("title").textContent = title;
    $("sub").textContent = rest.join(", ");
    $("finding").textContent = data.finding;
    $("kind").textContent = data.sweep ? "Sweep" : data.validation ? "Validation" : data.front ? "Front of mappings" : data.answer ? "Mapping" : "Profile";
    $("find").oninput = (event) => {
        view.text = event.target.value.trim().toLowerCase();
        refresh();
    };
    let redraw = () => {};
    if (data.platform) {
        show("machine");
        drawMachine();
        if (data.platform.measured) {
            drawProfile();
        }
    }
    if (data.sweep) {
        redraw = drawSweep();
    }
    if (data.front) {
        redraw = drawFront();
    }
    if (data.answer) {
        tiles(mappingTiles(data.answer));
        drawMapping(data.answer);
    }
    if (data.validation) {
        redraw = drawValidation();
    }
    let width = innerWidth;
    addEventListener("resize", () => {
        if (innerWidth === width) {
            return;
        }
        width = innerWidth;
        redraw();
        if (view.mapping) {
            const { picked, mapping } = view;
            drawMapping(mapping.answer);
            view.picked = picked;
            refresh();
        }
    });
})();
