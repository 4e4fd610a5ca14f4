/**
 * The explorer: filters studies, pools those that are selected, and shows them. A classic script without dependencies.
 * The page holds the controls and, as JSON, the evidence; `lib/report/explorer` writes both.
 *
 * Pooling is a port of `lib.stats.pool_proportions` for three estimators of tau². A test compares the two.
 *
 * @typedef {{z: number, t: number[]}} Quantiles Of the normal distribution, and of Student's t on 1, 2, ... degrees of freedom.
 * @typedef {{scale: string, tau2: string, ci: string}} Method Codes as in `lib.stats.pool_proportions`.
 * @typedef {Object<string, any>} Count A number of responders, as `records.py` writes it; `of` is its arm.
 * @typedef {Object<string, any>} Arm An arm with the properties of its study and its `counts`, as `records.py` writes it.
 * @typedef {{edition: string, quantiles: Quantiles, arms: Arm[]}} Data
 * @typedef {{one: Object<string, string>, many: Object<string, string[]>, ranges: Object<string, number[]>}} Filters
 * @typedef {{key: string, label: string, year: ?number, treatment: string, events: number, n: number, counts: Count[]}} Study
 * @typedef {{key: string, label: string, why: string, detail: string}} Uncounted
 * @typedef {object} Selection
 * @property {Study[]} studies With a count that can be pooled, each once.
 * @property {Uncounted[]} without Without one.
 * @property {Uncounted[]} mixed Of mixed or unknown ages or types of vitiligo, without a separate count.
 * @property {Uncounted[]} further Counts of `studies` that are not added to them.
 * @property {string[]} unknown Names of studies whose year or duration is needed and not available.
 */
(function () {
  "use strict";

  // --- Pooling (lib.stats) ---

  const MAX_STEPS = 100, TOLERANCE = 1e-11, LAST_STEP = 1e-8, GRID_PER_DECADE = 4, DOMINATED = 1e-6;

  /** @type {(values: number[]) => number} */
  function sum(values) {
    let total = 0;
    for (const value of values) total += value;
    return total;
  }

  /** Effect size and sampling variance. @type {(events: number, n: number, scale: string) => number[]} */
  function effect(events, n, scale) {
    const p = events / n;
    if (scale === "raw") return [p, p * (1 - p) / n];
    const added = events === 0 || events === n ? 0.5 : 0, yes = events + added, no = n - events + added;
    return [Math.log(yes / no), 1 / yes + 1 / no];
  }

  /** Studies around one common mean (lib.stats.mean_model.Mean). */
  class Mean {
    /** @param {number[]} y @param {number[]} v Variances above 0. */
    constructor(y, v) {
      [this.y, this.v, this.k, this.df] = [y, v, v.length, Math.max(v.length - 1, 0)];
      const { weight, total, mean } = this.fit(0);
      this.trace = trace(weight, total);
      const alone = this.k > 0 && this.trace < DOMINATED * total;
      this.centre = alone ? y[weight.indexOf(Math.max(...weight))] : mean;
      this.y = y.map((x) => x - this.centre);
      const q = alone ? this.q(0)[0] : sum(weight.map((w, i) => w * this.y[i] * this.y[i]));
      this.qFixed = this.k > 1 ? q : 0;
    }

    /** Weights, their sum, and the weighted mean. @type {(t2: number) => any} */
    fit(t2) {
      const weight = this.v.map((v) => 1 / (v + t2)), total = this.k ? sum(weight) : 1;
      return { weight, total, mean: sum(weight.map((w, i) => w * this.y[i])) / total };
    }

    /** The generalised Q, and its slope with the sign changed. @type {(t2: number) => number[]} */
    q(t2, { weight, mean } = this.fit(t2)) {
      const residual = this.y.map((y) => y - mean);
      return [sum(weight.map((w, i) => w * residual[i] ** 2)), sum(weight.map((w, i) => (w * residual[i]) ** 2))];
    }

    /** Twice the slope of the restricted log likelihood. @type {(t2: number) => number} */
    score(t2) {
      const fit = this.fit(t2);
      return this.q(t2, fit)[1] - trace(fit.weight, fit.total);
    }

    /** Twice the restricted log likelihood, up to a constant. @type {(t2: number) => number} */
    logLikelihood(t2) {
      const fit = this.fit(t2);
      return sum(fit.weight.map(Math.log)) - this.q(t2, fit)[0] - Math.log(fit.total);
    }
  }

  /** sum(w) - sum(w²) / sum(w), to full precision. @type {(weight: number[], total: number) => number} */
  function trace(weight, total) {
    const value = total - sum(weight.map((w) => w * w)) / total;
    if (!(value < DOMINATED * total)) return value;
    const largest = Math.max(...weight), at = weight.indexOf(largest);
    const others = weight.filter((_, i) => i !== at), rest = sum(others);
    return (2 * largest * rest + rest * rest - sum(others.map((w) => w * w))) / total;
  }

  /** @type {(model: Mean, method: string) => number} */
  function betweenStudyVariance(model, method) {
    if (model.df === 0) return 0;
    if (method === "DL") return Math.max(model.qFixed - model.df, 0) / model.trace;
    return method === "PM" ? pauleMandel(model) : likelihoodMaximum(model);
  }

  /** The tau² at which Q is its degrees of freedom, by Newton steps on 1 / Q. @type {(model: Mean) => number} */
  function pauleMandel(model) {
    let t2 = Math.max(model.qFixed - model.df, 0) / model.trace;
    for (let step = 0; step < MAX_STEPS; step++) {
      const [q, slope] = model.q(t2), excess = q / model.df - 1;
      const going = Math.abs(excess) > TOLERANCE && (excess > 0 || t2 > 0);
      t2 = Math.max(t2 + excess * (slope > 0 ? q / slope : 0), 0);
      if (!going) return t2;
    }
    return NaN;
  }

  /** The tau² with the highest restricted likelihood; a grid brackets all maxima. @type {(model: Mean) => number} */
  function likelihoodMaximum(model) {
    const least = Math.min(...model.v), most = sum(model.y.map((y) => y * y));
    const end = Math.min(Math.max(Math.max(...model.v) - 2 * least, 0), most);
    const decades = Math.log10(1 + end / least), steps = Math.max(Math.ceil(GRID_PER_DECADE * decades), 1);
    const grid = Array.from({ length: steps + 1 }, (_, j) => least * Math.expm1(Math.LN10 * decades * j / steps));
    const slope = grid.map((t2) => model.score(t2));
    if (most === 0) slope[0] = 0;
    grid.push(most);
    slope.push(-Infinity);
    let best = NaN, height = -Infinity;
    for (let i = 0; i <= steps; i++) {
      if (!(slope[i] > 0 && slope[i + 1] <= 0) && !(i === 0 && slope[0] <= 0)) continue;
      const root = turningPoint(model, grid[i], slope[i], grid[i + 1], slope[i + 1]), value = model.logLikelihood(root);
      if (Number.isNaN(best) || value > height) [best, height] = [root, value];
    }
    return best;
  }

  /** The tau² between a and b at which that slope is 0 (Anderson-Björck). @type {(model: Mean, ...ends: number[]) => number} */
  function turningPoint(model, a, slopeA, b, slopeB) {
    const s = model.k / sum(model.v.map((v) => 1 / v));
    let fa = slopeA * (a + s) ** 2, fb = slopeB === -Infinity ? -model.df * (b + s) : slopeB * (b + s) ** 2;
    if (slopeA <= 0) [b, fb] = [a, 0];
    for (let step = 0; step < MAX_STEPS; step++) {
      let c = fb === 0 ? b : b - fb * (b - a) / (fb - fa);
      if (!((c - a) * (c - b) < 0 || fb === 0)) c = (a + b) / 2;
      if (Math.abs(c - b) <= LAST_STEP * c || Math.abs(c - a) <= LAST_STEP * c) return c;
      const fc = model.score(c) * (c + s) ** 2, damping = fb === 0 ? 1 : 1 - fc / fb;
      [a, fa] = fc * fb < 0 ? [b, fb] : [a, fa * (damping > 0 ? damping : 0.5)];
      [b, fb] = [c, fc];
    }
    return NaN;
  }

  /** Upper tail of chi-square, by a series or a continued fraction. @type {(q: number, df: number) => number} */
  function chi2Tail(q, df) {
    if (df === 0 || q <= 0) return 1;
    const a = df / 2, x = q / 2;
    let logGamma = df % 2 ? Math.log(Math.PI) / 2 : 0;
    for (let i = df % 2 ? 0.5 : 1; i < a; i++) logGamma += Math.log(i);
    const factor = Math.exp(a * Math.log(x) - x - logGamma);
    if (x < a + 1) {
      let term = 1 / a, total = term;
      for (let i = a + 1; term > total * 1e-17; i++) total += (term *= x / i);
      return 1 - factor * total;
    }
    let b = x + 1 - a, c = 1e300, d = 1 / b, fraction = d;
    for (let i = 1; Math.abs(d * c - 1) > 1e-16 && i < 1e5; i++) {
      b += 2;
      d = 1 / (i * (a - i) * d + b);
      c = b + i * (a - i) / c;
      fraction *= d * c;
    }
    return factor * fraction;
  }

  /**
   * Pool proportions under a random-effects model, as `lib.stats.pool_proportions` does.
   * @param {{events: number, n: number}[]} rows Independent studies.
   * @param {Method} method
   * @param {Quantiles} quantiles Up to as many degrees of freedom as there are studies, less one.
   */
  function pool(rows, method, quantiles) {
    const effects = rows.map((row) => effect(row.events, row.n, method.scale));
    const dropped = effects.map(([, v]) => v === 0), used = effects.filter(([, v]) => v !== 0);
    const model = new Mean(used.map(([y]) => y), used.map(([, v]) => v));
    const { k, df, qFixed: q } = model, tau2 = betweenStudyVariance(model, method.tau2);
    const { weight, total, mean } = model.fit(tau2), estimate = k ? model.centre + mean : NaN;
    let se = k ? Math.sqrt(1 / total) : NaN, quantile = quantiles.z;
    if (method.ci !== "normal" && df > 0) {
      const factor = sum(weight.map((w, i) => w * (model.y[i] - mean) ** 2)) / df, isModified = method.ci === "mkh";
      se = Math.sqrt((isModified ? Math.max(factor, 1) : factor) / total);
      quantile = quantiles.t[(isModified ? Math.max(df, 2) : df) - 1];
    }
    const back = (x) => method.scale === "logit" ? 1 / (1 + Math.exp(-x)) : x;
    const reach = k > 2 ? quantiles.t[k - 3] * Math.sqrt(se * se + tau2) : NaN, h2 = df > 0 ? Math.max(q / df, 1) : 1;
    let next = 0;
    return {
      k, se, tau2, q, h2, dropped,
      estimate: back(estimate),
      ci_low: back(estimate - quantile * se), ci_high: back(estimate + quantile * se),
      pi_low: back(estimate - reach), pi_high: back(estimate + reach),
      i2: (h2 - 1) / h2, q_df: df, q_p: chi2Tail(q, df),
      weights: dropped.map((out) => out ? 0 : weight[next++] / total),
      // With few studies tau² = 0 does not show that they agree.
      predicts: k > 2 && (tau2 > 0 || k >= 10),
    };
  }

  /** Score interval of one proportion (Wilson). @type {(events: number, n: number, z: number) => number[]} */
  function scoreInterval(events, n, z) {
    const centre = (events + z * z / 2) / (n + z * z), reach = z * Math.sqrt(events * (n - events) / n + z * z / 4) / (n + z * z);
    return [Math.max(centre - reach, 0), Math.min(centre + reach, 1)];
  }

  // --- Selecting ---

  const ARM_FILTERS = ["drug", "concentration", "randomised", "blinding", "design", "edition", "country"];
  const COUNT_FILTERS = ["unit", "basis", "confidence"];

  const unique = (values) => [...new Set(values)];
  const accepts = (wanted, value) => !wanted?.length || wanted.includes(value);
  const units = (study) => unique(study.counts.map((count) => count.unit));
  const treatment = (arm) => [arm.drug, arm.concentration].filter(Boolean).join(" ");
  const responders = (count) => `${count.events} of ${count.n} ${count.unit}`;

  /** @type {(data: Data) => Data} */
  function prepare(data) {
    for (const arm of data.arms) for (const count of arm.counts) count.of = arm;
    return data;
  }

  /** Whether participants of an arm are all (2), perhaps (1) or not (0) those asked for. @type {(arm: Arm, filters: Filters) => number} */
  function membership({ population: age, subtypes }, { many: { population, subtype = [] } }) {
    const ofAge = accepts(population, age) ? 2 : age === "all" || age === "ND" ? 1 : 0;
    const inside = subtypes.filter((code) => subtype.includes(code)).length;
    const ofType = !subtype.length || (inside && inside === subtypes.length) ? 2 : inside || !subtypes.length ? 1 : 0;
    return Math.min(ofAge, ofType);
  }

  /** Whether a count is of the participants asked for. @type {(count: Count, filters: Filters) => boolean} */
  function isOf(count, { many: { population, subtype = [] } }) {
    if (!accepts(population, count.population)) return false;
    if (!subtype.length) return !count.subtype;
    const types = count.subtype ? [count.subtype] : count.of.subtypes;
    return types.length > 0 && types.every((code) => subtype.includes(code));
  }

  /** Studies, each once: arms are added up, no participant counts twice. @type {(data: Data, filters: Filters) => Selection} */
  function select(data, filters) {
    const { one, many, ranges } = filters, armsByStudy = new Map(), unknown = new Set();
    for (const arm of data.arms) {
      if (one.regimen && arm.regimen !== one.regimen) continue;
      if (!ARM_FILTERS.every((name) => accepts(many[name], arm[name]))) continue;
      if (Object.keys(ranges).some((name) => arm[name] === null)) unknown.add(arm.label);
      else if (Object.entries(ranges).every(([name, [from, to]]) => arm[name] >= from && arm[name] <= to)) {
        if (!armsByStudy.has(arm.study)) armsByStudy.set(arm.study, []);
        armsByStudy.get(arm.study).push(arm);
      }
    }
    const selection = { studies: [], without: [], mixed: [], further: [], unknown: [...unknown] };
    for (const arms of armsByStudy.values()) selectStudy(arms, filters, selection);
    return selection;
  }

  /** Add one study to a selection. @type {(arms: Arm[], filters: Filters, selection: Selection) => void} */
  function selectStudy(arms, filters, selection) {
    const { one, many } = filters, { study: key, label, year } = arms[0];
    const isPart = (count) => one.site !== "all" || count.subtype !== "";
    const mayBePooled = (count) => count.poolable === "yes" || (count.poolable === "subgroup" && isPart(count));
    const asked = arms.flatMap((arm) => arm.counts).filter(
      (count) => count.threshold === one.threshold && count.site === one.site && isOf(count, filters));
    const poolable = asked.filter(mayBePooled), others = asked.filter((count) => !mayBePooled(count));
    const fitting = poolable.filter((count) => COUNT_FILTERS.every((name) => accepts(many[name], count[name])));
    const hasWhole = fitting.some((count) => !count.subtype), seen = new Set(), counts = [];
    const rank = (count) => count.population === "all" ? 0 : 1;
    for (const count of fitting.sort((a, b) => rank(a) - rank(b))) {
      // Treatments of a within-patient study share participants; counts by age or subtype are parts of another count.
      const { design, part, arm } = count.of, id = JSON.stringify([design === "WP" ? part : arm, count.subtype]);
      if ((hasWhole && count.subtype) || seen.has(id)) others.push({ ...count, why: "the same participants are counted already" });
      else counts.push(count);
      seen.add(id);
    }
    if (counts.length) {
      const [events, n] = ["events", "n"].map((name) => sum(counts.map((count) => count[name])));
      selection.studies.push({ key, label, year, events, n, counts, treatment: unique(counts.map((c) => treatment(c.of))).join("; ") });
    }
    others.push(...poolable.filter((c) => !fitting.includes(c)).map((c) => ({ ...c, why: "Left out by the filters of the count" })));
    if (poolable.length) {
      for (const c of others) selection.further.push({ key, label, why: c.why, detail: `${c.of.arm}: ${responders(c)}` });
      return;
    }
    const member = asked.length ? 2 : Math.max(...arms.map((arm) => membership(arm, filters)));
    let why = "No number of responders is available", detail = "";
    if (others.length) {
      [why, detail] = ["A number is reported that cannot be pooled", others.map((c) => `${responders(c)}; ${c.why}`).join("; ")];
    } else if (arms.some((arm) => arm.reported.includes(one.site))) why = "A result is reported, but no number of responders";
    else if (arms.some((arm) => arm.counts.length)) why = "Numbers are available only for other responses, sites or participants";
    if (member) (member === 2 ? selection.without : selection.mixed).push({ key, label, why, detail });
  }

  // --- Files ---

  /** Python code that pools the same studies. @type {(edition: string, studies: Study[], filters: Filters, method: Method) => string} */
  function python(edition, studies, { one: { threshold, site } }, { scale, tau2, ci }) {
    const q = JSON.stringify, listed = (texts) => texts.map((t) => q(t)).join(", ");
    const counts = studies.flatMap((study) => study.counts), chosen = new Set(counts), columns = ["study", "arm"];
    // Study and arm may not be enough to tell counts apart.
    const isAmbiguous = (c) => !chosen.has(c) && c.threshold === threshold && c.site === site && c.poolable !== "no";
    if (counts.some(({ of }) => of.counts.some(isAmbiguous))) columns.push("population", "subtype", "site_detail");
    const keys = counts.map((c) => [c.of.study, c.of.arm, c.population, c.subtype, c.detail].slice(0, columns.length));
    const single = studies.length === 1;
    return (studies.length ? [
      "from lib import evidence",
      "from lib.published import by_study",
      `from lib.stats import ${single ? "proportion_interval" : "pool_proportions"}`,
      "",
      `ev = evidence.load("data", ${q(edition)})`,
      "rows = ev.reported_counts()",
      `rows = rows[(rows.threshold == ${q(threshold)}) & (rows.site == ${q(site)}) & (rows.poolable != "no")]`,
      "selected = {",
      ...keys.map((key) => `    (${listed(key)}),`),
      "}",
      `rows = rows[[key in selected for key in rows[[${listed(columns)}]].itertuples(index=False, name=None)]]`,
      "studies = by_study(rows)  # the arms of a study are added up",
      ...(single ? ["estimate = studies.events / studies.n", "low, high = proportion_interval(studies.events, studies.n)"] : [
        `result = pool_proportions(studies.events, studies.n, transform=${q(scale)}, tau2=${q(tau2)}, ci=${q(ci)})`,
        "print(result.summary())"]),
    ] : ["# No study of this selection is pooled: there is nothing to compute."]).join("\n");
  }

  /** A table as CSV; what a spreadsheet would take for a formula gets an apostrophe. @type {(rows: any[][]) => string} */
  function csv(rows) {
    const cell = (value) => {
      const text = typeof value === "string" && /^\s*[=+\-@]|^[\t\r]/.test(value) ? `'${value}` : String(value);
      return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
    };
    return "\ufeff" + rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  }

  // --- Words and elements ---

  /** A proportion as a percentage within 0 to 100, halves rounded up. @type {(p: number) => string} */
  function percent(p) {
    const tenths = Number((1000 * Math.min(Math.max(p, 0), 1)).toFixed(8));
    return (Math.floor(tenths + 0.5) / 10).toFixed(1);
  }

  const span = (low, high) => `${percent(low)}% to ${percent(high)}%`;
  const short = (x) => String(Number(x.toPrecision(4)));
  const number = (n, noun) => `${n} ${n === 1 ? noun : `${noun.replace(/y$/, "ie")}s`}`;

  /** Fill an element; text is always set as text. @type {(made: any, attributes: any, children: any[]) => any} */
  function filled(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const element = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
  const drawn = (tag, attributes, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // --- The forest plot ---

  const INK = "#1a1a1a", BLUE = "#0072b2", GREEN = "#008f68", GREY = "#5c5c5c", SHOWN = 100;

  /**
   * A forest plot as SVG; text is at least 12 pixels high. Below a width of 560 the numbers stand above the intervals.
   * Each line has label, counts, p, low, high, weight and isNew; the result, if there is one, also piLow and piHigh. A
   * picture that leaves its page has a title.
   * @type {(lines: any[], pooled: any, remarks: string[], width: number, title: string[]) => SVGElement}
   */
  function forest(lines, pooled, remarks, width, title) {
    const wide = width >= 560, size = wide ? 13 : 12, row = wide ? 24 : 40, parts = [];
    const [left, right, numbers] = wide ? [width * 0.46, width * 0.77, width * 0.79] : [6, width - 6, width];
    const end = { "text-anchor": "end" }, centred = { "text-anchor": "middle" }, strong = { "font-weight": "600" };
    const line = { stroke: INK, class: "ink-line" }, x = (p) => left + (right - left) * Math.min(Math.max(p, 0), 1);
    const add = (tag, attributes, ...text) => parts.push(drawn(tag, attributes, ...text));
    const text = (at, y, words, style) => add("text", { x: at, y, "font-size": size, fill: INK, class: "ink", ...style }, words);
    const fitted = (words, room) => {
      const most = Math.max(Math.floor(room / (size * 0.56)), 4);
      return words.length > most ? `${words.slice(0, most - 1).trimEnd()}…` : words;
    };
    const spanOf = ({ p, low, high }) => `${percent(p)} (${percent(low)}–${percent(high)})`;
    const edge = title.length ? 10 : 0;
    let y = 6;
    for (const words of title) text(0, y += 18, fitted(words, width));
    text(0, y += 14 + edge, "Study", strong);
    if (wide) text(width * 0.44, y, "Responders", { ...strong, ...end });
    text(numbers, y, "Rate, % (95% CI)", wide ? strong : { ...strong, ...end });
    const top = y += 8;
    const written = (item, style) => {
      const middle = y + (wide ? row / 2 : row * 0.72), base = wide ? middle + size * 0.35 : y + size + 2, rate = spanOf(item);
      text(0, base, wide ? fitted(item.label, width * 0.35) : fitted(`${item.label}  ${item.counts}`, width - rate.length * size * 0.58), style);
      if (wide) text(width * 0.44, base, item.counts, { ...style, ...end });
      text(numbers, base, rate, wide ? style : { ...style, ...end });
      y += row;
      return middle;
    };
    for (const item of lines) {
      const middle = written(item, {}), half = 2.5 + 5 * Math.sqrt(item.weight), colour = item.isNew ? GREEN : BLUE;
      add("line", { x1: x(item.low), x2: x(item.high), y1: middle, y2: middle, stroke: colour, "stroke-width": 1.5 });
      add("rect", { x: x(item.p) - half, y: middle - half, width: 2 * half, height: 2 * half, fill: colour });
    }
    if (pooled) {
      const middle = written({ ...pooled, counts: "" }, strong), { p, low, high, piLow, piHigh } = pooled;
      if (piLow <= piHigh) add("line", { x1: x(piLow), x2: x(piHigh), y1: middle, y2: middle, ...line, "stroke-width": 3, opacity: 0.45 });
      const points = [[low, 0], [p, -6], [high, 0], [p, 6]].map(([value, dy]) => `${x(value)},${middle + dy}`);
      add("polygon", { points: points.join(" "), fill: INK, class: "ink" });
      add("line", { x1: x(p), x2: x(p), y1: top, y2: y, ...line, "stroke-dasharray": "3 3", opacity: 0.6 });
    }
    add("line", { x1: left, x2: right, y1: y + 2, y2: y + 2, ...line });
    for (const tick of [0, 25, 50, 75, 100]) {
      const at = x(tick / 100);
      add("line", { x1: at, x2: at, y1: y + 2, y2: y + 7, ...line });
      text(at, y + 22, String(tick), wide || tick % 100 ? centred : tick ? end : {});
    }
    text((left + right) / 2, y += 40, "Responders, %", centred);
    for (const words of remarks) text(0, y += 20, fitted(words, width), { fill: GREY, class: "grey" });
    const told = lines.map((item) => `${item.label}, ${item.counts}: ${spanOf(item)}`);
    if (pooled) told.push(`${pooled.label}: ${spanOf(pooled)}`);
    return drawn("svg", {
      xmlns: "http://www.w3.org/2000/svg", width: width + 2 * edge, height: y + 10, role: "img",
      viewBox: `${-edge} 0 ${width + 2 * edge} ${y + 10}`,
      "aria-label": `Forest plot, responders in percent with 95% confidence intervals. ${[...told, ...remarks].join("; ")}.`,
      "font-family": "system-ui, sans-serif", class: "explorer-forest",
    }, ...parts);
  }

  // --- The page ---

  /** @type {(root: HTMLElement) => void} */
  function start(root) {
    /** A place of the page, or a control. @type {(name: string) => any} */
    const part = (name) => root.querySelector(`[data-part="${name}"]`);
    const show = (name, ...content) => part(name).replaceChildren(...content);
    const data = prepare(JSON.parse(part("data").textContent)), z = data.quantiles.z;
    const form = part("form"), fields = [...form.elements].filter((field) => field.name);
    const keys = new Set(data.arms.map((arm) => arm.study));
    let omitted = new Set(); // Studies that the reader has unticked.
    // The width of the plot; to ask for it after a change would lay the page out twice.
    let everyRow = false, listed = "", wrong = [], width = 0;
    /** What is selected, and its result. @type {any} */
    let state = {};

    const isSet = ({ type, value, checked, validity }) =>
      type === "number" ? value !== "" && validity.valid : type === "select-one" || checked;
    const isBox = (field) => /radio|checkbox/.test(field.type);
    const textOf = (field) => field.closest("label").textContent.trim();

    /** @returns {{filters: Filters, method: Method, words: string[]}} */
    function readForm() {
      const filters = { one: {}, many: {}, ranges: {} }, method = {}, words = new Map();
      for (const field of fields.filter(isSet)) {
        const { name, type, value } = field;
        if (type === "radio") filters.one[name] = value;
        if (type === "checkbox") (filters.many[name] ??= []).push(value);
        if (type === "select-one") method[name] = value;
        if (type === "number") {
          const [what, end] = name.split("-");
          (filters.ranges[what] ??= [-Infinity, Infinity])[end === "from" ? 0 : 1] = Number(value);
        }
        const legend = field.closest("fieldset")?.querySelector("legend").textContent;
        if (legend) words.set(legend, [...(words.get(legend) || []), type === "number" ? `${textOf(field)} ${value}` : textOf(field)]);
      }
      return { filters, method, words: [...words].map(([legend, chosen]) => `${legend}: ${chosen.join(" or ").replace(/ or to /, " to ")}`) };
    }

    /** Write the selection into the address, so that it can be shared. */
    function writeAddress() {
      const chosen = new URLSearchParams(fields.filter(isSet).map(({ name, value }) => [name, value]));
      for (const key of omitted) chosen.append("omit", key);
      history.replaceState(null, "", `#${chosen}`);
    }

    /** Set the form to the selection in the address; report and ignore what does not exist here. */
    function readAddress() {
      const address = location.hash.slice(1);
      if (!address.includes("=")) return;
      clear();
      for (const [name, value] of new URLSearchParams(address)) {
        const field = fields.find((f) => f.name === name && (!isBox(f) || f.value === value)), before = field?.value;
        if (name === "omit" && keys.has(value)) omitted.add(value);
        else if (field) Object.assign(field, isBox(field) ? { checked: true } : { value });
        if (field ? field.value !== value || !field.validity.valid : !omitted.has(value)) {
          wrong.push(`${name}=${value}`);
          if (field) field.value = before;
        }
      }
      for (const fold of form.querySelectorAll("details")) {
        fold.open = fields.some((f) => fold.contains(f) && (f.selectedIndex ?? isSet(f)));
      }
    }

    function clear() {
      form.reset();
      omitted = new Set();
      wrong = [];
    }

    /** Select, pool and show. */
    function update() {
      const { filters, method, words } = readForm(), selection = select(data, filters);
      const studies = selection.studies.filter((study) => !omitted.has(study.key));
      const result = pool(studies, method, data.quantiles);
      const weights = new Map(studies.map((study, i) => [study.key, result.weights[i]]));
      state = { filters, method, words, selection, studies, result, weights, isPooled: studies.length > 1 && result.k > 1 };
      show("selection", words.join(" · "));
      show("answer", answer());
      show("uncounted", uncounted());
      show("notes", ...notes().map((note) => element("li", {}, note)));
      showStudies();
      showPlot();
      showStatistics();
      showWithout();
      show("python", python(data.edition, studies, filters, method));
      show("done", "");
    }

    function answer() {
      const { studies, selection, result: r, isPooled } = state;
      if (!studies.length) {
        if (selection.studies.length) return "All studies are unticked: nothing is pooled.";
        return selection.without.length + selection.mixed.length ? "No available counts." : "No study matches these filters.";
      }
      const used = isPooled ? studies.filter((_, i) => !r.dropped[i]) : studies;
      const events = sum(used.map((s) => s.events)), n = sum(used.map((s) => s.n));
      const counts = `${events} responders among ${n} ${unique(used.flatMap(units)).join(" and ")}`;
      if (studies.length === 1) {
        return `One study, so nothing is pooled. ${studies[0].label}: ${percent(events / n)}% (95% CI ${span(...scoreInterval(events, n, z))}); ${counts}.`;
      }
      if (!isPooled) return `No pooled rate: fewer than two studies have a weight on the scale of raw proportions (${counts}).`;
      return `Pooled rate ${percent(r.estimate)}% (95% CI ${span(r.ci_low, r.ci_high)}); ${number(r.k, "study")}, ${counts}.`;
    }

    function uncounted() {
      const { studies, without, mixed } = state.selection, n = without.length, m = mixed.length;
      const all = studies.length ? "Every study in this selection has available counts." : "";
      const some = `${number(n, studies.length ? "other study" : "study")} in this selection ${n === 1 ? "has" : "have"} no available counts.`;
      return `${n ? some : all} ${m ? `${number(m, "further study")} may include such participants, without reporting them separately.` : ""}`;
    }

    function notes() {
      const { filters, selection, studies, result } = state, found = [];
      const note = (some, words, after = "") => { if (some.length) found.push(`${words}: ${some.map((s) => s.label || s).join(", ")}.${after}`); };
      const invalid = fields.filter((f) => !f.validity.valid).map((f) => `${f.name} ${f.value}`);
      note([...wrong, ...invalid], "Ignored, as this edition has no such filter");
      if (!filters.one.regimen && unique(studies.flatMap((s) => s.counts.map((c) => c.of.regimen))).length > 1) {
        found.push("Treatment with and without phototherapy is pooled together here; choose one of them for an answer.");
      }
      note(studies.filter((s) => units(s).includes("patches")), "Counts of patches, possibly several per patient, which makes intervals too narrow");
      if (studies.length > 1) {
        note(studies.filter((_, i) => result.dropped[i]), "Left out because nobody or everybody responded", " The logit scale (under Method) keeps such studies.");
      }
      note(selection.studies.filter((s) => omitted.has(s.key)), "Unticked and not pooled");
      note(selection.unknown, "Left out because the year or duration is not available");
      return found;
    }

    const shown = () => everyRow ? state.selection.studies : state.selection.studies.slice(0, SHOWN);

    /** The table of studies. If only weights change its rows stay, and with them the focus. */
    function showStudies() {
      const { selection, weights, isPooled } = state, rows = shown();
      const now = JSON.stringify(rows.map((study) => [study.key, study.events, study.n, study.treatment]));
      if (now !== listed) {
        show("studies", ...rows.flatMap(studyRows));
        part("table").hidden = !rows.length;
        listed = now;
      }
      for (const box of part("studies").querySelectorAll("input")) {
        const weight = weights.get(box.value);
        box.checked = !omitted.has(box.value);
        box.closest("tr").lastElementChild.textContent =
          weight === undefined ? "unticked" : !isPooled ? "–" : weight ? `${percent(weight)}%` : "left out";
      }
      part("more").hidden = everyRow || selection.studies.length <= SHOWN;
      show("more", `Show all ${selection.studies.length} studies`);
    }

    /** @type {(study: Study) => HTMLElement[]} */
    function studyRows(study) {
      const { key, label, events, n, counts } = study, numeric = { class: "numeric" };
      const option = (name, value) => textOf(fields.find((f) => f.name === name && f.value === value));
      const basis = unique(counts.map((c) => `${option("basis", c.basis)}; ${option("confidence", c.confidence)} confidence`));
      const details = element("td", { colspan: "4" }, [study.treatment, ...basis].join("; "));
      for (const { source, link } of new Map(counts.map((c) => [c.link + c.source, c])).values()) {
        details.append("; ", /^https?:/.test(link) ? element("a", { href: link }, source) : source);
      }
      const [low, high] = scoreInterval(events, n, z), unit = units(study).join(", ");
      return [element("tr", {},
        element("th", { scope: "row" }, element("input", { type: "checkbox", value: key, "aria-label": label }), " ",
          element("a", { href: `study-records.html#study-${key}` }, label)),
        element("td", numeric, `${events}/${n}`, element("br", {}), unit),
        element("td", numeric, `${percent(events / n)}%`, element("br", {}), `(${percent(low)}–${percent(high)})`),
        element("td", numeric)), element("tr", { class: "detail" }, details)];
    }

    /** The plot; `alone` if it leaves its page. @type {(width: number, alone: boolean) => ?SVGElement} */
    function plotted(width, alone) {
      const { studies, selection, result: r, weights, words, isPooled } = state, rows = new Set(shown());
      if (!studies.length) return null;
      const lines = studies.filter((s) => rows.has(s)).map(({ key, label, events, n, counts }) => {
        const [low, high] = scoreInterval(events, n, z), isNew = counts[0].of.edition === "update";
        return { label, counts: `${events}/${n}`, p: events / n, low, high, weight: isPooled ? weights.get(key) : 0, isNew };
      });
      const pooled = isPooled ? {
        label: `Pooled, ${number(r.k, "study")}`, p: r.estimate, low: r.ci_low, high: r.ci_high,
        piLow: r.predicts ? r.pi_low : NaN, piHigh: r.pi_high,
      } : null;
      const remarks = [`${number(selection.without.length, "study")} without available counts not drawn`];
      if (lines.length < studies.length) remarks.push(`${studies.length - lines.length} more studies not drawn`);
      if (pooled && r.predicts) remarks.push("Grey bar: 95% prediction interval");
      if (lines.some((line) => line.isNew)) remarks.push("Green: studies since August 2018");
      return forest(lines, pooled, remarks, width, alone ? [...words, `Edition of ${data.edition}; ${methodWords()}`] : []);
    }

    function showPlot() {
      const plot = plotted(width, false);
      show("plot", ...(plot ? [plot] : []));
    }

    const methodWords = () => `${fields.filter((f) => f.type === "select-one").map((f) => f.selectedOptions[0].text).join(", ")} interval`;

    function showStatistics() {
      const { result: r, isPooled } = state;
      part("statistics").hidden = !isPooled;
      const p = r.q_p < 0.001 ? "< 0.001" : `= ${r.q_p.toFixed(3)}`, words = {
        pi: r.predicts ? span(r.pi_low, r.pi_high) : "not given: too few studies",
        i2: `${(100 * r.i2).toFixed(0)}%`, h2: short(r.h2), tau2: short(r.tau2), method: methodWords(),
        q: `${short(r.q)} on ${number(r.q_df, "degree")} of freedom, p ${p}`,
      };
      for (const name of Object.keys(words)) show(name, words[name]);
    }

    function showWithout() {
      const { without, mixed, further } = state.selection, fold = (name, list, words) => {
        part(name).hidden = !list.length;
        show(`${name}-title`, words);
        show(`${name}-list`, ...byReason(list));
      };
      show("without", ...(without.length ? byReason(without) : [element("p", {}, "None in this selection.")]));
      fold("mixed", mixed, `${number(mixed.length, "further study")} of mixed or unknown ages or types of vitiligo`);
      fold("further", further, `${number(further.length, "further count")}, not added`);
    }

    /** A paragraph for each reason. @type {(list: Uncounted[]) => HTMLElement[]} */
    function byReason(list) {
      return unique(list.map((item) => item.why)).map((why) => {
        const names = list.filter((item) => item.why === why).map(({ label, detail }) => detail ? `${label} (${detail})` : label);
        return element("p", {}, element("strong", {}, `${why} (${names.length}): `), `${names.join("; ")}.`);
      });
    }

    /** @type {(blob: Blob, suffix: string) => void} */
    function download(blob, suffix) {
      const { regimen, threshold } = state.filters.one, href = URL.createObjectURL(blob);
      element("a", { href, download: `vitiligo-${regimen || "all"}-${threshold}-${data.edition}.${suffix}` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 1000);
      show("done", `${suffix.toUpperCase()} file made.`);
    }

    function rowsAsCsv() {
      const { filters, selection, weights } = state, { threshold, site } = filters.one;
      const head = "study,label,year,treatment,threshold,site,events,n,unit,pooled,remark,source".split(",");
      const counted = selection.studies.map((s) => [s.key, s.label, s.year ?? "", s.treatment, threshold, site, s.events, s.n, units(s).join("; "),
        ...(weights.has(s.key) ? ["yes", ""] : ["no", "unticked"]), unique(s.counts.map((c) => c.link || c.source)).join("; ")]);
      const others = [...selection.without, ...selection.mixed].map(({ key, label, why, detail }) => [
        key, label, "", "", threshold, site, "", "", "", "no", detail ? `${why}: ${detail}` : why, ""]);
      return csv([head, ...counted, ...others]);
    }

    /** Hand on the plot as the text of a file of its own, on white. @type {(use: (text: string) => void) => void} */
    function withPlot(use) {
      const plot = plotted(800, true);
      if (!plot) return show("done", "There is no plot: no study is pooled.");
      plot.prepend(drawn("rect", { x: -10, width: "100%", height: "100%", fill: "#ffffff" }));
      use(new XMLSerializer().serializeToString(plot));
    }

    /** @param {string} text The plot. */
    function downloadPng(text) {
      const image = new Image(), canvas = document.createElement("canvas");
      image.onload = () => {
        [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob((blob) => download(blob, "png"));
      };
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    }

    const changed = () => { update(); writeAddress(); };
    const onClick = (name, act) => part(name).addEventListener("click", act);
    form.addEventListener("input", () => { wrong = []; changed(); });
    part("studies").addEventListener("change", ({ target }) => {
      omitted[target.checked ? "delete" : "add"](target.value);
      changed();
    });
    onClick("clear", () => { clear(); changed(); });
    onClick("more", () => { everyRow = true; update(); });
    onClick("csv", () => download(new Blob([rowsAsCsv()], { type: "text/csv;charset=utf-8" }), "csv"));
    onClick("svg", () => withPlot((text) => download(new Blob([text], { type: "image/svg+xml" }), "svg")));
    onClick("png", () => withPlot(downloadPng));
    addEventListener("hashchange", () => { readAddress(); update(); });

    part("waiting").hidden = true;
    part("app").hidden = false;
    width = part("plot").clientWidth;
    readAddress();
    update();
    new ResizeObserver(() => { if (width !== (width = part("plot").clientWidth)) showPlot(); }).observe(part("plot"));
    explorer.current = () => state;
  }

  // Tests and measurements call these.
  const explorer = window.EvidenceExplorer = { pool, prepare, select, python, csv };
  const root = document.getElementById("explorer");
  if (root) start(root);
})();
