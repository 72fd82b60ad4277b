// The plots of the overview. The page brings their data in attributes of the figures, and changes these while somebody
// looks; each plot is made once and then given what is new.
"use strict";
(() => {
	const height = 180;
	const plots = new Map(); // by figure

	const duration = (s) => {
		if (s === 0) return "0s";
		if (s < 1) return Math.round(s * 1000) + "ms";
		if (s < 60) return (s < 10 ? Math.round(s * 10) / 10 : Math.round(s)) + "s";
		if (s < 3600) return Math.round(s / 6) / 10 + "m";
		return Math.round(s / 360) / 10 + "h";
	};
	const orNone = (tell) => (u, value) => (value == null ? "–" : tell(value));
	const count = (u, value, series, at) => (at == null ? "–" : String(value || 0));
	const clock = uPlot.fmtDate("{HH}:{mm}");
	const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");

	const colours = () => {
		const style = getComputedStyle(document.documentElement);
		const of = (name) => style.getPropertyValue(name).trim();
		return { text: of("--pico-muted-color"), grid: of("--pico-muted-border-color"), now: of("--now"), nowGround: of("--now-ground"), bad: of("--bad"), waits: of("--waits") };
	};

	const kinds = {
		ended: {
			data: (d) => [d.ended, d.failed].map((counts) => counts.map((n) => n || null)), // no bar where there is none
			series: (c) => [
				{ label: "ended", stroke: c.now, fill: c.nowGround, width: 1, paths: uPlot.paths.bars({ size: [0.8] }), points: { show: false }, value: count },
				{ label: "failed", stroke: c.bad, fill: c.bad, width: 1, paths: uPlot.paths.bars({ size: [0.8] }), points: { show: false }, value: count },
			],
			label: "tasks",
			incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 1000000],
			ticks: (values) => values.map(String),
			range: (u, min, max) => [0, Math.max(4, max * 1.1)],
		},
		waits: {
			data: (d) => [d.p50, d.p95],
			series: (c) => [
				{ label: "half (p50)", stroke: c.now, width: 2, points: { show: true, size: 5, fill: c.now }, value: orNone(duration) },
				{ label: "95 % (p95)", stroke: c.waits, width: 2, dash: [6, 3], points: { show: true, size: 5, fill: c.waits }, value: orNone(duration) },
			],
			label: "waited",
			incrs: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400],
			ticks: (values) => values.map(duration),
			range: (u, min, max) => [0, Math.max(0.001, (max || 0) * 1.1)],
		},
	};

	const options = (figure, kind) => {
		const c = colours();
		const axis = { stroke: c.text, grid: { stroke: c.grid, width: 1 }, ticks: { stroke: c.grid, width: 1 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 18, labelGap: 2 };
		return {
			width: width(figure), height, tzDate: utc,
			cursor: { drag: { x: false, y: false }, points: { size: 6 } },
			scales: { x: { time: true }, y: { range: kind.range } },
			axes: [
				{ ...axis, label: "UTC", size: 26, labelSize: 16, values: (u, seconds) => seconds.map((s) => clock(utc(s))), space: 60 },
				{ ...axis, label: kind.label, incrs: kind.incrs, values: (u, values) => kind.ticks(values), size: 62 },
			],
			series: [{ label: "from", value: orNone((s) => clock(utc(s))) }, ...kind.series(c)],
			legend: { markers: { width: 2 } },
		};
	};
	const width = (figure) => Math.max(200, Math.floor(figure.clientWidth));
	const dataOf = (figure, kind) => {
		const d = JSON.parse(figure.dataset.plot);
		return [d.ended.map((_, i) => d.from + i * d.step), ...kind.data(d)];
	};

	const sizes = new ResizeObserver((entries) => {
		for (const { target } of entries) {
			const plot = plots.get(target);
			if (plot && plot.drawn.width !== width(target)) plot.drawn.setSize({ width: width(target), height });
		}
	});
	const make = (figure) => {
		const kind = kinds[figure.dataset.kind];
		const place = figure.querySelector(".drawn");
		place.replaceChildren();
		const drawn = new uPlot(options(figure, kind), dataOf(figure, kind), place);
		plots.set(figure, { drawn, shown: figure.dataset.plot });
		sizes.observe(figure);
	};
	const drop = (figure) => {
		sizes.unobserve(figure);
		plots.get(figure).drawn.destroy();
		plots.delete(figure);
	};
	const draw = () => {
		for (const figure of plots.keys()) if (!figure.isConnected) drop(figure);
		for (const figure of document.querySelectorAll("figure[data-plot]")) {
			const plot = plots.get(figure);
			if (!plot) make(figure);
			else if (plot.shown !== figure.dataset.plot) {
				plot.drawn.setData(dataOf(figure, kinds[figure.dataset.kind]));
				plot.shown = figure.dataset.plot;
			}
		}
	};
	const again = () => {
		for (const figure of [...plots.keys()]) drop(figure);
		draw();
	};

	document.addEventListener("DOMContentLoaded", draw);
	document.addEventListener("htmx:after:swap", draw);
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
})();
