/**
 * The explorer: filters studies, pools those that are selected, and shows them. A classic script without dependencies;
 * the page holds the controls, and the evidence as JSON. `lib/report/explorer` writes both.
 *
 * Pooling is a port of `lib.stats.pool_proportions` for three estimators of tau². A test compares the two.
 */
(function () {
  "use strict";

  /** @typedef {{z: number, t: number[]}} Quantiles Normal quantile; those of Student's t on 1, 2, ... degrees of freedom. */
  /** @typedef {{scale: string, tau2: string, ci: string}} Method Codes as in `lib.stats.pool_proportions`. */
  /**
   * @typedef {object} Count A reported number of responders.
   * @property {string} site
   * @property {string} detail
   * @property {string} population
   * @property {string} subtype
   * @property {string} threshold
   * @property {string} unit
   * @property {string} basis
   * @property {string} confidence
   * @property {number} n
   * @property {number} events
   * @property {string} poolable "yes", "subgroup" (only by site or subtype) or "no"
   * @property {string} why Why it is not pooled.
   * @property {string} source
   * @property {string} link
   * @property {Arm} of The arm, which `prepare` adds.
   */
  /**
   * @typedef {object} Arm An arm of a study, with the properties of the study.
   * @property {string} study Key of the study.
   * @property {string} label
   * @property {string} arm
   * @property {number} part
   * @property {?number} year
   * @property {?number} duration
   * @property {string} population
   * @property {string[]} subtypes
   * @property {string} regimen
   * @property {string} drug
   * @property {string} concentration
   * @property {string} design
   * @property {string[]} reported Sites with a result that is no count.
   * @property {Count[]} counts
   */
  /** @typedef {{edition: string, quantiles: Quantiles, arms: Arm[]}} Data */
  /** @typedef {{one: Object<string, string>, many: Object<string, string[]>, ranges: Object<string, number[]>}} Filters */
  /** @typedef {{key: string, label: string, year: ?number, treatment: string, events: number, n: number, counts: Count[]}} Study */
  /** @typedef {{key: string, label: string, why: string, detail: string}} Uncounted */
  /**
   * @typedef {object} Selection
   * @property {Study[]} studies Studies with a count that can be pooled, each once.
   * @property {Uncounted[]} without Studies of the selection without one.
   * @property {Uncounted[]} mixed Studies of mixed or unknown ages or types of vitiligo, without a separate count.
   * @property {Uncounted[]} further Counts of `studies` that are not added to them.
   * @property {string[]} unknown Names of studies left out because their year or duration is not available.
   */

  // --- Pooling (lib.stats) ---------------------------------------------------------------------------------

  const MAX_STEPS = 100, TOLERANCE = 1e-11, LAST_STEP = 1e-8, GRID_PER_DECADE = 4, DOMINATED = 1e-6;

  /** @param {number[]} values @returns {number} */
  function sum(values) {
    let total = 0;
    for (const value of values) total += value;
    return total;
  }

  /**
   * Effect sizes and sampling variances (lib.stats.effect_sizes.proportions).
   * @param {number} events @param {number} n @param {string} scale @returns {[number, number]}
   */
  function effect(events, n, scale) {
    if (scale === "raw") {
      const p = events / n;
      return [p, p * (1 - p) / n];
    }
    const added = events === 0 || events === n ? 0.5 : 0;
    const yes = events + added, no = n - events + added;
    return [Math.log(yes / no), 1 / yes + 1 / no];
  }

  /** Studies around one common mean (lib.stats.mean_model.Mean). */
  class Mean {
    /** @param {number[]} y @param {number[]} v Variances above 0. */
    constructor(y, v) {
      this.v = v;
      this.k = v.length;
      this.df = Math.max(this.k - 1, 0);
      const weight = v.map((x) => 1 / x), total = this.k ? sum(weight) : 1;
      this.centre = sum(weight.map((w, i) => w * y[i])) / total;
      this.y = y.map((x) => x - this.centre);
      this.trace = trace(weight, total);
      const alone = this.k > 0 && this.trace < DOMINATED * total;
      if (alone) {
        this.centre = y[weight.indexOf(Math.max(...weight))];
        this.y = y.map((x) => x - this.centre);
      }
      const q = alone ? this.q(0)[0] : sum(weight.map((w, i) => w * this.y[i] * this.y[i]));
      this.qFixed = this.k > 1 ? q : 0;
    }

    /** Weights, their sum, and the weighted mean of the centred effects. @param {number} t2 */
    fit(t2) {
      const weight = this.v.map((v) => 1 / (v + t2)), total = this.k ? sum(weight) : 1;
      const mean = sum(weight.map((w, i) => w * this.y[i])) / total;
      return { weight, total, mean };
    }

    /** The generalised Q, and its slope with the sign changed. @param {number} t2 @returns {[number, number]} */
    q(t2) {
      const { weight, mean } = this.fit(t2);
      let q = 0, slope = 0;
      weight.forEach((w, i) => {
        const residual = this.y[i] - mean;
        q += w * residual * residual;
        slope += (w * residual) ** 2;
      });
      return [q, slope];
    }

    /** Twice the slope of the restricted log likelihood. @param {number} t2 @returns {number} */
    score(t2) {
      const { weight, total } = this.fit(t2);
      return this.q(t2)[1] - trace(weight, total);
    }

    /** Twice the restricted log likelihood, up to a constant. @param {number} t2 @returns {number} */
    logLikelihood(t2) {
      const { weight, total } = this.fit(t2);
      return sum(weight.map(Math.log)) - this.q(t2)[0] - Math.log(total);
    }
  }

  /** sum(w) - sum(w²) / sum(w), to full precision. @param {number[]} weight @param {number} total @returns {number} */
  function trace(weight, total) {
    const value = total - sum(weight.map((w) => w * w)) / total;
    if (!(value < DOMINATED * total)) return value;
    const largest = Math.max(...weight), at = weight.indexOf(largest);
    const others = weight.filter((_, i) => i !== at), rest = sum(others);
    return (2 * largest * rest + rest * rest - sum(others.map((w) => w * w))) / total;
  }

  /** @param {Mean} model @param {string} method "DL", "PM" or "REML" @returns {number} */
  function betweenStudyVariance(model, method) {
    if (model.df === 0) return 0;
    if (method === "DL") return Math.max(model.qFixed - model.df, 0) / model.trace;
    return method === "PM" ? pauleMandel(model) : likelihoodMaximum(model);
  }

  /** The tau² at which Q is its degrees of freedom, by Newton steps on 1 / Q. @param {Mean} model @returns {number} */
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

  /** The tau² with the highest restricted likelihood: its slope on a grid brackets all maxima. @param {Mean} model @returns {number} */
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
      if (!((slope[i] > 0 && slope[i + 1] <= 0) || (i === 0 && slope[0] <= 0))) continue;
      const root = turningPoint(model, grid[i], slope[i], grid[i + 1], slope[i + 1]);
      const value = model.logLikelihood(root);
      if (Number.isNaN(best) || value > height) [best, height] = [root, value];
    }
    return best;
  }

  /**
   * The tau² between a and b at which the slope of the likelihood is 0 (Anderson-Björck regula falsi).
   * @param {Mean} model @param {number} a @param {number} slopeA @param {number} b @param {number} slopeB @returns {number}
   */
  function turningPoint(model, a, slopeA, b, slopeB) {
    const s = model.k / sum(model.v.map((v) => 1 / v));
    let fa = slopeA * (a + s) ** 2;
    let fb = slopeB === -Infinity ? -model.df * (b + s) : slopeB * (b + s) ** 2;
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

  /** Upper tail of chi-square: a series or a continued fraction. @param {number} q @param {number} df @returns {number} */
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
    let b = x + 1 - a, c = 1 / 1e-300, d = 1 / b, fraction = d;
    for (let i = 1; i < 1e5; i++) {
      const an = -i * (i - a);
      b += 2;
      d = 1 / (an * d + b);
      c = b + an / c;
      fraction *= d * c;
      if (Math.abs(d * c - 1) < 1e-16) break;
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
    const { weight, total, mean } = model.fit(tau2);
    let estimate = model.centre + mean, se = Math.sqrt(1 / total), quantile = quantiles.z;
    if (method.ci !== "normal" && df > 0) {
      let factor = sum(weight.map((w, i) => w * (model.y[i] - mean) ** 2)) / df;
      if (method.ci === "mkh") factor = Math.max(factor, 1);
      se = Math.sqrt(factor / total);
      quantile = quantiles.t[(method.ci === "mkh" ? Math.max(df, 2) : df) - 1];
    }
    if (k === 0) estimate = se = NaN;
    const back = method.scale === "logit" ? (/** @type {number} */ x) => 1 / (1 + Math.exp(-x)) : (/** @type {number} */ x) => x;
    const reach = k > 2 ? quantiles.t[k - 3] * Math.sqrt(se * se + tau2) : NaN, h2 = df > 0 ? Math.max(q / df, 1) : 1;
    let next = 0;
    return {
      k, se, tau2, q, h2, dropped,
      estimate: back(estimate),
      ci_low: back(estimate - quantile * se), ci_high: back(estimate + quantile * se),
      pi_low: back(estimate - reach), pi_high: back(estimate + reach),
      i2: (h2 - 1) / h2, q_df: df, q_p: df > 0 ? chi2Tail(q, df) : 1,
      weights: dropped.map((out) => out ? 0 : weight[next++] / total),
      // With few studies tau² = 0 does not show that they agree.
      predicts: k > 2 && (tau2 > 0 || k >= 10),
    };
  }

  /** Score interval of one proportion (Wilson). @param {number} events @param {number} n @param {number} z @returns {[number, number]} */
  function scoreInterval(events, n, z) {
    const centre = (events + z * z / 2) / (n + z * z);
    const reach = z * Math.sqrt(events * (n - events) / n + z * z / 4) / (n + z * z);
    return [Math.max(centre - reach, 0), Math.min(centre + reach, 1)];
  }

  // --- Selecting -------------------------------------------------------------------------------------------

  const ARM_FILTERS = ["drug", "concentration", "randomised", "blinding", "design", "edition", "country"];
  const COUNT_FILTERS = ["unit", "basis", "confidence"];

  /** @param {string[] | undefined} wanted @param {string} value @returns {boolean} */
  const accepts = (wanted, value) => !wanted || wanted.length === 0 || wanted.includes(value);

  /** @param {Data} data @returns {Data} */
  function prepare(data) {
    for (const arm of data.arms) for (const count of arm.counts) count.of = arm;
    return data;
  }

  /** @param {Arm} arm @returns {string} */
  const treatment = (arm) => [arm.drug, arm.concentration].filter(Boolean).join(" ");

  /** @param {Count} count @returns {string} */
  const responders = (count) => `${count.events} of ${count.n} ${count.unit}`;

  /**
   * Whether a study's participants are, may include, or are not those asked for.
   * @param {Arm} arm @param {Filters} filters @returns {"all" | "some" | "none"}
   */
  function membership(arm, { many: { population = [], subtype = [] } }) {
    const age = accepts(population, arm.population) ? 2 : ["all", "ND"].includes(arm.population) ? 1 : 0;
    const known = arm.subtypes, inside = known.filter((code) => subtype.includes(code)).length;
    const type = !subtype.length || (known.length && inside === known.length) ? 2 : inside || !known.length ? 1 : 0;
    return age && type ? (age + type === 4 ? "all" : "some") : "none";
  }

  /** Whether a count is of the participants asked for. @param {Count} count @param {Filters} filters @returns {boolean} */
  function isOf(count, { many: { population = [], subtype = [] } }) {
    if (!accepts(population, count.population)) return false;
    if (!subtype.length) return count.subtype === "";
    if (count.subtype) return subtype.includes(count.subtype);
    return count.of.subtypes.length > 0 && count.of.subtypes.every((code) => subtype.includes(code));
  }

  /**
   * Select studies. A study counts once: its arms are added up, and no participant is counted twice.
   * @param {Data} data Prepared by `prepare`.
   * @param {Filters} filters
   * @returns {Selection}
   */
  function select(data, filters) {
    const { one, many, ranges } = filters;
    /** @type {Map<string, Arm[]>} */
    const armsByStudy = new Map();
    const unknown = new Set();
    for (const arm of data.arms) {
      const values = /** @type {any} */ (arm);
      if (one.regimen && arm.regimen !== one.regimen) continue;
      if (!ARM_FILTERS.every((name) => accepts(many[name], values[name]))) continue;
      const restricted = Object.keys(ranges).filter((name) => ranges[name][0] > -Infinity || ranges[name][1] < Infinity);
      if (restricted.some((name) => values[name] === null)) unknown.add(arm.label);
      else if (restricted.every((name) => values[name] >= ranges[name][0] && values[name] <= ranges[name][1])) {
        armsByStudy.set(arm.study, [...(armsByStudy.get(arm.study) || []), arm]);
      }
    }
    /** @type {Selection} */
    const selection = { studies: [], without: [], mixed: [], further: [], unknown: [...unknown].sort() };
    for (const [key, arms] of armsByStudy) selectStudy(key, arms, filters, selection);
    return selection;
  }

  /** @param {string} key @param {Arm[]} arms @param {Filters} filters @param {Selection} selection */
  function selectStudy(key, arms, filters, selection) {
    const { one, many } = filters, label = arms[0].label;
    const asked = arms.flatMap((arm) => arm.counts).filter(
      (count) => count.threshold === one.threshold && count.site === one.site && isOf(count, filters));
    /** @param {Count} count */
    const mayBePooled = (count) => count.poolable === "yes" ||
      (count.poolable === "subgroup" && (one.site !== "all" || (count.subtype !== "" && (many.subtype || []).length > 0)));
    /** @param {Count} count */
    const passes = (count) => COUNT_FILTERS.every((name) => accepts(many[name], /** @type {any} */ (count)[name]));
    const fitting = asked.filter((count) => mayBePooled(count) && passes(count));
    // Counts by subtype are parts of the count of all subtypes.
    const whole = fitting.filter((count) => count.subtype === "");
    const seen = new Set(), counts = [], others = asked.filter((count) => !mayBePooled(count));
    for (const count of fitting) {
      // Within-patient studies give each participant several treatments.
      const { design, part, arm } = count.of, people = design === "WP" ? `part ${part}` : `arm ${arm}`;
      const id = JSON.stringify([people, count.subtype]), isPart = whole.length > 0 && count.subtype !== "";
      if (isPart || seen.has(id)) others.push({ ...count, why: "the same participants are counted already" });
      else counts.push(count);
      seen.add(id);
    }
    if (counts.length) {
      const used = [...new Set(counts.map((count) => count.of))];
      selection.studies.push({
        key, label, counts, year: arms[0].year, treatment: [...new Set(used.map(treatment))].join("; "),
        events: sum(counts.map((count) => count.events)), n: sum(counts.map((count) => count.n)),
      });
      for (const { of, why, ...count } of others) {
        selection.further.push({ key, label, why, detail: `${of.arm}: ${count.events} of ${count.n} ${count.unit}` });
      }
      return;
    }
    const filtered = asked.filter(mayBePooled);
    const members = arms.map((arm) => membership(arm, filters));
    const known = filtered.length || others.length || members.includes("all");
    if (!known && !members.includes("some")) return;
    let why = "No number of responders is available", detail = "";
    if (filtered.length) [why, detail] = ["Left out by your filters of the count", filtered.map(responders).join("; ")];
    else if (others.length) {
      [why, detail] = ["A number is available that must not be pooled", others.map((c) => `${responders(c)}; ${c.why}`).join("; ")];
    } else if (arms.some((arm) => arm.reported.includes(one.site))) why = "A result is reported, but no number of responders";
    else if (arms.some((arm) => arm.counts.length)) why = "Numbers are available only for other responses, sites or participants";
    selection[known ? "without" : "mixed"].push({ key, label, why, detail });
  }

  // --- The same in Python ----------------------------------------------------------------------------------

  /**
   * Python code that computes the same result with the library.
   * @param {Data} data @param {Study[]} studies Those pooled. @param {Filters} filters @param {Method} method
   * @returns {string}
   */
  function python(data, studies, filters, method) {
    const q = JSON.stringify, { threshold, site } = filters.one, counts = studies.flatMap((study) => study.counts);
    const columns = ["study", "arm"];
    // More columns only if study and arm alone would also find counts that are not pooled.
    const chosen = new Set(counts);
    const ambiguous = counts.some(({ of }) => of.counts.some(
      (c) => !chosen.has(c) && c.threshold === threshold && c.site === site && c.poolable !== "no"));
    if (ambiguous) columns.push("population", "subtype", "site_detail");
    const keys = counts.map((c) => [c.of.study, c.of.arm, c.population, c.subtype, c.detail].slice(0, columns.length));
    const lines = [
      "from lib import evidence", "from lib.published import by_study", "from lib.stats import pool_proportions, proportion_interval", "",
      `ev = evidence.load("data", ${q(data.edition)})`,
      "rows = ev.counts()",
      `rows = rows[(rows.threshold == ${q(threshold)}) & (rows.site == ${q(site)}) & (rows.poolable != "no")]`,
      "selected = {", ...keys.map((key) => `    (${key.map((text) => q(text)).join(", ")}),`), "}",
      `rows = rows[[key in selected for key in rows[${q(columns).replace(/,/g, ", ")}].itertuples(index=False, name=None)]]`,
      "studies = by_study(rows)  # the arms of a study are added up",
    ];
    if (studies.length === 0) {
      return lines.slice(0, 1).concat(lines.slice(3, 7), "", "# No count is available for this selection: there is nothing to pool.", "").join("\n");
    }
    if (studies.length === 1) {
      lines[2] = "from lib.stats import proportion_interval";
      lines.push("estimate = studies.events / studies.n", "low, high = proportion_interval(studies.events, studies.n)");
    } else {
      lines[2] = "from lib.stats import pool_proportions";
      lines.push(`result = pool_proportions(studies.events, studies.n, transform=${q(method.scale)}, tau2=${q(method.tau2)}, ci=${q(method.ci)})`);
      lines.push("print(result.summary())");
    }
    return lines.join("\n") + "\n";
  }

  /** A table as CSV; a text that a spreadsheet would take for a formula gets an apostrophe. @param {(string | number)[][]} rows @returns {string} */
  function csv(rows) {
    const cell = (/** @type {string | number} */ value) => {
      const text = typeof value === "string" && /^[\s]*[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
      return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
    };
    return "\ufeff" + rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
  }

  // --- Words and elements ----------------------------------------------------------------------------------

  /** A proportion as a percentage within 0 to 100, halves rounded up. @param {number} p @returns {string} */
  function percent(p) {
    const value = Number((100 * Math.min(Math.max(p, 0), 1)).toFixed(9));
    return (Math.floor(value * 10 + 0.5) / 10).toFixed(1);
  }

  /** @param {number} low @param {number} high @returns {string} */
  const span = (low, high) => `${percent(low)}% to ${percent(high)}%`;

  /** @param {number} x @returns {string} */
  const short = (x) => String(Number(x.toPrecision(4)));

  /** @param {number} n @param {string} noun @param {string} [plural] @returns {string} */
  const number = (n, noun, plural = `${noun}s`) => `${n} ${n === 1 ? noun : plural}`;

  /**
   * An element of the page; text is always set as text.
   * @param {string} tag @param {Object<string, string>} attributes @param {...(Node | string)} children @returns {HTMLElement}
   */
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /** @param {string} tag @param {Object<string, string | number>} attributes @param {...(Node | string)} children @returns {SVGElement} */
  function drawn(tag, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    made.append(...children);
    return made;
  }

  // --- The forest plot -------------------------------------------------------------------------------------

  const INK = "#1a1a1a", BLUE = "#0072b2", GREEN = "#008f68", GREY = "#5c5c5c";
  const SHOWN = 150;

  /** @typedef {{label: string, counts: string, p: number, low: number, high: number, weight: number, isNew: boolean}} Line */

  /**
   * A forest plot as SVG; text is at least 12 pixels high at every width.
   * @param {Line[]} lines
   * @param {?{p: number, low: number, high: number, piLow: number, piHigh: number, label: string}} pooled
   * @param {string[]} remarks Lines of text below the axis.
   * @param {number} width In pixels; below 560 the numbers stand above each interval.
   * @param {string[]} title Lines of text above the plot, for a picture that leaves its page.
   * @returns {SVGElement}
   */
  function forest(lines, pooled, remarks, width, title) {
    const wide = width >= 560, size = wide ? 13 : 12, row = wide ? 24 : 40;
    const [left, right] = wide ? [width * 0.46, width * 0.77] : [6, width - 6];
    const x = (/** @type {number} */ p) => left + (right - left) * Math.min(Math.max(p, 0), 1);
    const parts = /** @type {SVGElement[]} */ ([]);
    /** @param {number} at @param {number} y @param {string} words @param {Object<string, string>} [style] */
    const text = (at, y, words, style = {}) => {
      parts.push(drawn("text", { x: at, y, "font-size": size, fill: INK, class: "ink", ...style }, words));
    };
    /** @param {string} words @param {number} room In pixels. */
    const fitted = (words, room) => {
      const most = Math.max(Math.floor(room / (size * 0.56)), 4);
      return words.length > most ? `${words.slice(0, most - 1).trimEnd()}…` : words;
    };
    let y = 6;
    for (const words of title) text(0, y += 18, fitted(words, width));
    y += title.length ? 14 : 0;
    const numbers = wide ? width * 0.79 : width;
    const end = { "text-anchor": "end" }, strong = { "font-weight": "600" };
    text(0, y += 14, "Study", strong);
    if (wide) text(width * 0.44, y, "Responders", { ...strong, ...end });
    text(numbers, y, "Rate, % (95% CI)", { ...strong, ...(wide ? {} : end) });
    const top = y += 8;
    /** @param {string} label @param {string} counts @param {number} p @param {number} low @param {number} high @param {Object<string, string>} style */
    const written = (label, counts, p, low, high, style) => {
      const middle = y + (wide ? row / 2 : row * 0.72), line = wide ? middle + size * 0.35 : y + size + 2;
      const rate = `${percent(p)} (${percent(low)}–${percent(high)})`;
      text(0, line, fitted(wide ? label : `${label}  ${counts}`, wide ? width * 0.33 : width - rate.length * size * 0.58), style);
      if (wide) text(width * 0.44, line, counts, { ...style, ...end });
      text(numbers, line, rate, { ...style, ...(wide ? {} : end) });
      y += row;
      return middle;
    };
    for (const { label, counts, p, low, high, weight, isNew } of lines) {
      const middle = written(label, counts, p, low, high, {}), half = 2.5 + 5 * Math.sqrt(weight || 0);
      const colour = isNew ? GREEN : BLUE;
      parts.push(drawn("line", { x1: x(low), x2: x(high), y1: middle, y2: middle, stroke: colour, "stroke-width": 1.5 }));
      parts.push(drawn("rect", { x: x(p) - half, y: middle - half, width: 2 * half, height: 2 * half, fill: colour }));
    }
    if (pooled) {
      const middle = written(pooled.label, "", pooled.p, pooled.low, pooled.high, strong);
      const line = { stroke: INK, class: "ink-line" };
      if (pooled.piLow === pooled.piLow) {
        parts.push(drawn("line", { x1: x(pooled.piLow), x2: x(pooled.piHigh), y1: middle, y2: middle, ...line, "stroke-width": 3, opacity: 0.45 }));
      }
      const points = [[pooled.low, 0], [pooled.p, -6], [pooled.high, 0], [pooled.p, 6]];
      parts.push(drawn("polygon", { points: points.map(([p, dy]) => `${x(p)},${middle + dy}`).join(" "), fill: INK, class: "ink" }));
      parts.push(drawn("line", { x1: x(pooled.p), x2: x(pooled.p), y1: top, y2: y, ...line, "stroke-dasharray": "3 3", opacity: 0.6 }));
    }
    parts.push(drawn("line", { x1: left, x2: right, y1: y + 2, y2: y + 2, stroke: INK, class: "ink-line" }));
    for (const tick of [0, 25, 50, 75, 100]) {
      parts.push(drawn("line", { x1: x(tick / 100), x2: x(tick / 100), y1: y + 2, y2: y + 7, stroke: INK, class: "ink-line" }));
      text(x(tick / 100), y + 22, String(tick), { "text-anchor": wide || tick % 100 ? "middle" : tick ? "end" : "start" });
    }
    text((left + right) / 2, y += 40, "Responders, %", { "text-anchor": "middle" });
    for (const words of remarks) text(0, y += 20, fitted(words, width), { fill: GREY, class: "grey" });
    y += 10;
    const told = lines.map(({ label, counts, p, low, high }) => `${label}, ${counts}: ${percent(p)} (${percent(low)}–${percent(high)})`);
    if (pooled) told.push(`${pooled.label}: ${percent(pooled.p)} (${percent(pooled.low)}–${percent(pooled.high)})`);
    const alt = `Forest plot, responders in percent with 95% confidence intervals. ${[...told, ...remarks].join("; ")}.`;
    return drawn("svg", {
      xmlns: "http://www.w3.org/2000/svg", width, height: y, viewBox: `0 0 ${width} ${y}`, role: "img", "aria-label": alt,
      "font-family": "system-ui, 'DejaVu Sans', Verdana, Arial, sans-serif", class: "explorer-forest",
    }, ...parts);
  }

  // --- The page --------------------------------------------------------------------------------------------

  /** @param {HTMLElement} root */
  function start(root) {
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
    const data = prepare(JSON.parse(part("data").textContent || ""));
    const form = /** @type {HTMLFormElement} */ (part("form"));
    const fields = /** @type {HTMLInputElement[]} */ ([...form.elements].filter((field) => "name" in field && field.name));
    const studyKeys = new Set(data.arms.map((arm) => arm.study));
    /** Studies that the reader has unticked. @type {Set<string>} */
    let omitted = new Set();
    let everyRow = false, listed = "", wrongAddress = "";
    /** @type {any} */
    let state = {};

    /** @returns {{filters: Filters, method: Method}} */
    function readForm() {
      /** @type {Filters} */
      const filters = { one: {}, many: {}, ranges: {} };
      /** @type {any} */
      const method = {};
      for (const field of fields) {
        const { name, type, value, checked } = field;
        if (type === "radio" && checked) filters.one[name] = value;
        else if (type === "checkbox" && checked) (filters.many[name] = filters.many[name] || []).push(value);
        else if (type === "select-one") method[name] = value;
        else if (type === "number") {
          const [of, end] = name.split("-"), range = filters.ranges[of] = filters.ranges[of] || [-Infinity, Infinity];
          if (value !== "" && field.validity.valid) range[end === "from" ? 0 : 1] = Number(value);
        }
      }
      return { filters, method };
    }

    /** What the filters say, in words. @returns {string} */
    function described() {
      /** @type {Map<string, string[]>} */
      const words = new Map();
      for (const field of fields) {
        const chosen = field.type === "number" ? field.value !== "" && field.validity.valid : field.checked;
        const label = field.closest("label"), group = field.closest("fieldset");
        if (!chosen || !label || !group) continue;
        const legend = group.querySelector("legend")?.textContent || "", text = label.textContent?.trim() || "";
        words.set(legend, [...(words.get(legend) || []), field.type === "number" ? `${text} ${field.value}` : text]);
      }
      return [...words].map(([legend, chosen]) => `${legend}: ${chosen.join(field_or(legend))}`).join(" · ");
    }
    const field_or = (/** @type {string} */ legend) => /^(Year|Months)/.test(legend) ? " " : " or ";

    /** Write the selection into the address, so that it can be shared. */
    function writeAddress() {
      const chosen = new URLSearchParams();
      for (const { name, type, value, checked } of fields) {
        if (type === "radio" || type === "checkbox" ? checked : type === "select-one" || value !== "") chosen.append(name, value);
      }
      for (const key of omitted) chosen.append("omit", key);
      try {
        history.replaceState(null, "", `#${chosen}`);
      } catch {
        // Some browsers refuse very frequent changes; the next one brings the address up to date.
      }
    }

    /** Set the form to the selection in the address; what does not exist here is reported and ignored. */
    function readAddress() {
      const address = location.hash.slice(1);
      if (!address.includes("=")) return;
      form.reset();
      omitted = new Set();
      const wrong = [];
      for (const [name, value] of new URLSearchParams(address)) {
        const named = fields.filter((field) => field.name === name), first = named[0];
        const field = first && ["radio", "checkbox"].includes(first.type) ? named.find((option) => option.value === value) : first;
        if (name === "omit" && studyKeys.has(value)) omitted.add(value);
        else if (!field) wrong.push(`${name}=${value}`);
        else if (field.type === "radio" || field.type === "checkbox") field.checked = true;
        else {
          const before = field.value;
          field.value = value;
          if (field.value !== value || !field.validity.valid) [field.value] = [before], wrong.push(`${name}=${value}`);
        }
      }
      for (const fold of form.querySelectorAll("details")) {
        fold.open = fields.some((field) => fold.contains(field) && (field.checked || (field.type === "number" && field.value !== "") ||
          (field.type === "select-one" && /** @type {any} */ (field).selectedIndex > 0)));
      }
      wrongAddress = wrong.length ? `The address names filters that this edition does not have; they were ignored: ${wrong.join(", ")}.` : "";
    }

    /** Select, pool and show. */
    function update() {
      const { filters, method } = readForm(), selection = select(data, filters);
      const pooledStudies = selection.studies.filter((study) => !omitted.has(study.key));
      const result = pool(pooledStudies, method, data.quantiles);
      const weights = new Map(pooledStudies.map((study, i) => [study.key, result.weights[i]]));
      state = { filters, method, selection, studies: pooledStudies, result, weights, words: described() };
      part("selection").textContent = state.words;
      part("answer").textContent = answer();
      part("uncounted").textContent = uncounted();
      part("notes").replaceChildren(...notes().map((words) => element("li", {}, words)));
      showStudies();
      showPlot();
      showStatistics();
      showWithout();
      part("python").textContent = python(data, pooledStudies, filters, method);
      part("done").textContent = "";
    }

    /** @returns {string} */
    function answer() {
      const { studies, selection, result } = state;
      if (studies.length === 0 && selection.studies.length) return "All studies with available counts are unticked: nothing is pooled.";
      if (studies.length === 0) return selection.without.length || selection.mixed.length ? "No available counts." : "No study matches these filters.";
      const events = sum(studies.map((/** @type {Study} */ s) => s.events)), n = sum(studies.map((/** @type {Study} */ s) => s.n));
      const units = [...new Set(studies.flatMap((/** @type {Study} */ s) => s.counts.map((c) => c.unit)))].join(" and ");
      const counts = `${events} responders among ${n} ${units}`;
      if (studies.length === 1) {
        const interval = scoreInterval(events, n, data.quantiles.z);
        return `One study, so that nothing is pooled. ${studies[0].label}: ${percent(events / n)}% (95% CI ${span(...interval)}); ${counts}.`;
      }
      if (result.k < 2) return `No pooled rate: ${result.k ? "only one of the studies" : "no study"} can be weighted on the scale of raw proportions (${counts}).`;
      return `Pooled rate ${percent(result.estimate)}% (95% CI ${span(result.ci_low, result.ci_high)}); ${number(studies.length, "study", "studies")}, ${counts}.`;
    }

    /** @returns {string} */
    function uncounted() {
      const { without, mixed, studies } = state.selection;
      const other = studies.length ? "other " : "";
      const first = without.length ? `${number(without.length, `${other}study`, `${other}studies`)} in this selection ${without.length === 1 ? "has" : "have"} no available counts.`
        : "Every study in this selection has available counts.";
      const more = mixed.length ? ` ${number(mixed.length, "further study", "further studies")} may include such participants but ${mixed.length === 1 ? "does" : "do"} not report them separately.` : "";
      return without.length || studies.length || mixed.length ? (without.length || studies.length ? first : "") + more : "";
    }

    /** @returns {string[]} */
    function notes() {
      const { filters, selection, studies, result } = state, found = [wrongAddress];
      const names = (/** @type {Study[]} */ some) => some.map((study) => study.label).join(", ");
      const regimens = new Set(studies.flatMap((/** @type {Study} */ s) => s.counts.map((c) => c.of.regimen)));
      if (!filters.one.regimen && regimens.size > 1) found.push("Treatment with and without phototherapy is pooled together here; the two differ, so choose one of them for an answer.");
      const patches = studies.filter((/** @type {Study} */ s) => s.counts.some((c) => c.unit === "patches"));
      if (patches.length) found.push(`These studies counted patches, possibly more than one per patient, which makes intervals too short: ${names(patches)}.`);
      const dropped = studies.filter((/** @type {Study} */ _, /** @type {number} */ i) => result.dropped[i]);
      if (dropped.length && studies.length > 1) found.push(`Left out because nobody or everybody responded: ${names(dropped)}. The logit scale (under Method) keeps such studies.`);
      const unticked = selection.studies.filter((/** @type {Study} */ s) => omitted.has(s.key));
      if (unticked.length) found.push(`Unticked and not pooled: ${names(unticked)}.`);
      if (selection.unknown.length) found.push(`Not in the selection because the year of publication or the duration is not available: ${selection.unknown.join(", ")}.`);
      return found.filter(Boolean);
    }

    /** @returns {Study[]} */
    const shown = () => everyRow ? state.selection.studies : state.selection.studies.slice(0, SHOWN);

    /** The table of studies; if only the weights differ it stays, and with it the focus. */
    function showStudies() {
      const rows = shown(), total = state.selection.studies.length;
      const now = JSON.stringify(rows.map((study) => [study.key, study.events, study.n, study.treatment]));
      if (now !== listed) {
        listed = now;
        const head = ["Study", "Responders", "Rate (95% CI)", "Weight"].map((words, i) => element("th", { scope: "col", class: i ? "numeric" : "" }, words));
        const table = element("table", { class: "review explorer-table" },
          element("caption", {}, "Studies with available counts, one row each"),
          element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows.map(studyRow)));
        part("studies").replaceChildren(...(rows.length ? [element("div", { class: "review-table", role: "region", tabindex: "0", "aria-label": "Studies with available counts" }, table)] : []));
      }
      for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (part("studies").querySelectorAll("input"))) {
        const weight = state.weights.get(box.value), row = /** @type {HTMLElement} */ (box.closest("tr"));
        box.checked = !omitted.has(box.value);
        /** @type {HTMLElement} */ (row.lastElementChild).textContent =
          weight === undefined ? "unticked" : state.studies.length > 1 && state.result.k > 1 ? (weight ? `${percent(weight)}%` : "left out") : "–";
      }
      const more = part("more");
      more.hidden = total <= SHOWN;
      more.textContent = everyRow ? `Show only the first ${SHOWN} studies` : `Show all ${total} studies`;
    }

    /** @param {Study} study @returns {HTMLElement} */
    function studyRow(study) {
      const box = element("input", { type: "checkbox", value: study.key });
      const details = element("span", { class: "explorer-detail" }, study.treatment);
      const basis = [...new Set(study.counts.map((count) => `${optionText("basis", count.basis)}; ${optionText("confidence", count.confidence)} confidence`))];
      details.append(element("br", {}), basis.join("; "));
      for (const { source, link } of new Map(study.counts.map((count) => [count.link + count.source, count])).values()) {
        details.append("; ", /^https?:/.test(link) ? element("a", { href: link }, source) : source);
      }
      const units = [...new Set(study.counts.map((count) => count.unit))].join(", ");
      const [low, high] = scoreInterval(study.events, study.n, data.quantiles.z);
      return element("tr", {},
        element("th", { scope: "row" }, element("label", {}, box, ` ${study.label}`), details),
        element("td", { class: "numeric" }, `${study.events}/${study.n}`, ...(units === "patients" ? [] : [element("br", {}), units])),
        element("td", { class: "numeric" }, `${percent(study.events / study.n)}%`, element("br", {}), `(${percent(low)}–${percent(high)})`),
        element("td", { class: "numeric" }));
    }

    /** The name of an option of a filter. @param {string} name @param {string} value @returns {string} */
    function optionText(name, value) {
      const field = fields.find((option) => option.name === name && option.value === value);
      return field?.closest("label")?.textContent?.trim() || value;
    }

    /** @param {number} width @param {boolean} alone Whether the picture leaves its page. @returns {?SVGElement} */
    function plotted(width, alone) {
      const { studies, selection, result, weights, words } = state, wanted = new Set(shown());
      if (!studies.length) return null;
      const z = data.quantiles.z, lines = studies.filter((/** @type {Study} */ s) => wanted.has(s)).map((/** @type {Study} */ s) => {
        const [low, high] = scoreInterval(s.events, s.n, z);
        return { label: s.label, counts: `${s.events}/${s.n}`, p: s.events / s.n, low, high, weight: result.k > 1 ? weights.get(s.key) : 0, isNew: s.counts[0].of.edition === "update" };
      });
      const pooled = result.k > 1 ? {
        p: result.estimate, low: result.ci_low, high: result.ci_high, label: `Pooled, ${number(result.k, "study", "studies")}`,
        piLow: result.predicts ? result.pi_low : NaN, piHigh: result.predicts ? result.pi_high : NaN,
      } : null;
      const remarks = [`${number(selection.without.length, "study", "studies")} without available counts not drawn`];
      if (lines.length < studies.length) remarks.push(`${studies.length - lines.length} more studies pooled, not drawn`);
      if (pooled && result.predicts) remarks.push("Grey bar: 95% prediction interval");
      if (lines.some((/** @type {Line} */ line) => line.isNew)) remarks.push("Green: studies since August 2018");
      const title = alone ? [...words.split(" · "), `Edition of ${data.edition}; ${methodWords()}`] : [];
      return forest(lines, pooled, remarks, width, title);
    }

    function showPlot() {
      const place = part("plot"), plot = plotted(Math.max(place.clientWidth, 280), false);
      place.replaceChildren(...(plot ? [plot] : []));
    }

    /** @returns {string} */
    const methodWords = () => ["scale", "tau2", "ci"].map((name) => {
      const menu = /** @type {HTMLSelectElement} */ (form.querySelector(`select[name="${name}"]`));
      return (menu.selectedOptions[0].textContent || "") + (name === "ci" ? " interval" : "");
    }).join(", ");

    function showStatistics() {
      const { result: r, studies } = state, unit = state.method.scale === "logit" ? "on the logit scale" : "of proportions";
      const p = r.q_p < 0.001 ? "< 0.001" : `= ${r.q_p.toFixed(3)}`;
      const items = studies.length > 1 && r.k > 1 ? [
        ["95% prediction interval", r.predicts ? `${span(r.pi_low, r.pi_high)}, in which the true rate of another study is expected` : "not given: too few studies"],
        ["I²", `${(100 * r.i2).toFixed(0)}% of the variation between the studies is more than chance explains`],
        ["H²", short(r.h2)],
        [`tau², variance between studies ${unit}`, short(r.tau2)],
        ["Q", `${short(r.q)} on ${number(r.q_df, "degree", "degrees")} of freedom, p ${p}`],
        ["Method", methodWords()],
      ] : [];
      part("statistics").replaceChildren(...items.map(([term, words]) => element("div", {}, element("dt", {}, term), element("dd", {}, words))));
    }

    /** @param {Uncounted[]} list @returns {HTMLElement[]} A paragraph for each reason. */
    function byReason(list) {
      /** @type {Map<string, string[]>} */
      const groups = new Map();
      for (const { why, label, detail } of list) groups.set(why, [...(groups.get(why) || []), detail ? `${label} (${detail})` : label]);
      return [...groups].map(([why, names]) => element("p", {}, element("strong", {}, `${why} (${names.length}): `), `${names.join("; ")}.`));
    }

    function showWithout() {
      const { without, mixed, further } = state.selection;
      const fold = (/** @type {string} */ words, /** @type {Node[]} */ content) => element("details", {}, element("summary", {}, words), ...content);
      const content = without.length ? byReason(without) : [element("p", {}, "None in this selection.")];
      if (mixed.length) content.push(fold(`${number(mixed.length, "further study", "further studies")} of mixed or unknown ages or types of vitiligo`, byReason(mixed)));
      if (further.length) content.push(fold(`${number(further.length, "further count")} of the pooled studies, not added`, byReason(further)));
      part("without").replaceChildren(...content);
    }

    /** @param {Blob} blob @param {string} suffix */
    function download(blob, suffix) {
      const { regimen, threshold } = state.filters.one, link = element("a", {});
      const address = URL.createObjectURL(blob);
      link.setAttribute("href", address);
      link.setAttribute("download", `vitiligo-${regimen || "all"}-${threshold}-${data.edition}.${suffix}`);
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
      part("done").textContent = `${suffix.toUpperCase()} file made.`;
    }

    /** @returns {string} */
    function rowsAsCsv() {
      const { filters, selection, weights } = state, { threshold, site } = filters.one;
      const head = ["study", "label", "year", "treatment", "threshold", "site", "events", "n", "unit", "pooled", "remark", "source"];
      const counted = selection.studies.map((/** @type {Study} */ s) => [
        s.key, s.label, s.year === null ? "" : s.year, s.treatment, threshold, site, s.events, s.n, [...new Set(s.counts.map((c) => c.unit))].join("; "),
        weights.has(s.key) ? "yes" : "no", weights.has(s.key) ? "" : "unticked", [...new Set(s.counts.map((c) => c.link || c.source))].join("; ")]);
      const others = [...selection.without, ...selection.mixed].map((/** @type {Uncounted} */ s) => [
        s.key, s.label, "", "", threshold, site, "", "", "", "no", [s.why, s.detail].filter(Boolean).join(": "), ""]);
      return csv([head, ...counted, ...others]);
    }

    /** @returns {?string} The plot as a file of its own, on white. */
    function plotAsText() {
      const plot = plotted(820, true);
      if (!plot) return null;
      plot.prepend(drawn("rect", { width: "100%", height: "100%", fill: "#ffffff" }));
      return new XMLSerializer().serializeToString(plot);
    }

    function downloadPng() {
      const text = plotAsText(), image = new Image();
      if (!text) return nothingToDraw();
      image.onload = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
        canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob((blob) => blob && download(blob, "png"), "image/png");
      };
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    }

    const nothingToDraw = () => { part("done").textContent = "There is no plot: no study is pooled."; };

    form.addEventListener("input", () => { wrongAddress = ""; update(); writeAddress(); });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => { omitted = new Set(); wrongAddress = ""; update(); writeAddress(); }));
    part("studies").addEventListener("change", (event) => {
      const { checked, value } = /** @type {HTMLInputElement} */ (event.target);
      if (checked) omitted.delete(value);
      else omitted.add(value);
      update();
      writeAddress();
    });
    part("more").addEventListener("click", () => { everyRow = !everyRow; update(); });
    part("csv").addEventListener("click", () => download(new Blob([rowsAsCsv()], { type: "text/csv;charset=utf-8" }), "csv"));
    part("svg").addEventListener("click", () => {
      const text = plotAsText();
      if (text) download(new Blob([text], { type: "image/svg+xml" }), "svg");
      else nothingToDraw();
    });
    part("png").addEventListener("click", downloadPng);
    part("link").addEventListener("click", () => {
      writeAddress();
      const done = (/** @type {boolean} */ copied) => { part("done").textContent = copied ? "Link copied." : "The address of this page is the link."; };
      if (navigator.clipboard) navigator.clipboard.writeText(location.href).then(() => done(true), () => done(false));
      else done(false);
    });
    addEventListener("hashchange", () => { readAddress(); update(); });
    let drawnWidth = 0;
    new ResizeObserver(() => {
      if (part("plot").clientWidth !== drawnWidth) showPlot();
      drawnWidth = part("plot").clientWidth;
    }).observe(part("plot"));

    part("waiting").hidden = true;
    form.hidden = part("result").hidden = false;
    readAddress();
    update();
    explorer.current = () => state;
  }

  /** @type {any} */
  const explorer = { pool, prepare, select, python, csv };
  /** @type {any} */ (window).EvidenceExplorer = explorer;
  const root = document.getElementById("explorer");
  if (root) start(root);
})();
