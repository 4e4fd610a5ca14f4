# Reference values for the tests of lib/effects, pooling, glmm, regression and asymmetry, from R's metafor.
#
#   Rscript tests/reference/metafor.R        (Debian: r-base-core r-cran-metafor r-cran-metadat r-cran-lme4)
#
# writes the data sets (studies.csv: effect sizes and variances by metafor's escalc, but for the sampling variance of risk
# differences with a group at 0% or 100%, which escalc leaves at 0 or changes the counts for; groups.csv, pairs.csv: the counts
# behind comparisons; moderators.csv) and the results (values.csv, glmm.csv, regression.csv, asymmetry.csv) beside
# itself. R is not needed to run the tests.
suppressPackageStartupMessages({library(metafor); library(metadat)})
args <- commandArgs(FALSE)
here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", args, value = TRUE))))
num <- function(x) sprintf("%.13g", x)
put <- function(d, file) write.csv(d, file.path(here, file), row.names = FALSE, quote = FALSE, na = "")
pdf(NULL)
control <- list(threshold = 1e-12, maxiter = 2000, tol = 1e-12)
METHODS <- c("DL", "PM", "REML", "ML", "EB", "SJ", "HE", "FE")
fit_of <- function(yi, vi, method, test = "z", ...) {
  # "EB" stops by its own rule at 1e-5 of a step unless told otherwise; the scale of tau2 is that of these data.
  if (method %in% c("FE", "DL", "SJ", "HE")) rma(yi, vi, method = method, test = test, ...)
  else rma(yi, vi, method = method, test = test, control = control, ...)
}

# --- The data ------------------------------------------------------------------------------------------------
proportions <- list(
  pritz1997 = with(dat.pritz1997, data.frame(xi, ni)),
  debruin2009 = with(dat.debruin2009, data.frame(xi, ni)),
  zeros = data.frame(xi = c(0, 3, 12, 20, 7, 0), ni = c(14, 20, 30, 20, 25, 11)),
  two = data.frame(xi = c(4, 11), ni = c(15, 19)),
  one_apart = data.frame(xi = c(0, 10, 59, 57, 88, 60, 24), ni = c(36, 10, 60, 61, 89, 62, 25)))
set.seed(20190529)
for (k in c(3, 8, 19, 40)) for (spread in c(0, 1.5)) {
  ni <- sample(10:120, k, replace = TRUE)
  xi <- rbinom(k, ni, plogis(rnorm(k, -0.5, spread)))
  proportions[[sprintf("simulated_k%d_spread%s", k, spread)]] <- data.frame(xi, ni)
}
# Control groups of trials, and small studies with huge heterogeneity and many at 0% and 100%.
proportions$bcg_control <- with(dat.bcg, data.frame(xi = cpos, ni = cpos + cneg))
proportions$nielweise2007_control <- with(dat.nielweise2007, data.frame(xi = ci, ni = n2i))
set.seed(20260101)
for (k in c(2, 5, 15)) {
  ni <- sample(5:30, k, replace = TRUE)
  proportions[[sprintf("extreme_k%d", k)]] <- data.frame(xi = rbinom(k, ni, plogis(rnorm(k, 0, 3.5))), ni)
}
ni <- c(20, 35, 50, 26); proportions$homogeneous <- data.frame(xi = round(0.3 * ni), ni)

MEASURES <- c(raw = "PR", logit = "PLO", arcsine = "PAS", "double-arcsine" = "PFT")
sets <- list()
for (name in names(proportions)) for (scale in names(MEASURES)) {
  d <- proportions[[name]]
  e <- if (scale == "logit") escalc("PLO", xi = xi, ni = ni, data = d, add = 0.5, to = "only0")
       else escalc(MEASURES[[scale]], xi = xi, ni = ni, data = d, to = "none")
  sets[[paste(name, scale, sep = "/")]] <- cbind(d, yi = c(e$yi), vi = e$vi)
}
groups <- list(
  bcg = with(dat.bcg, data.frame(a = tpos, n1 = tpos + tneg, c = cpos, n2 = cpos + cneg)),
  nielweise2007 = with(dat.nielweise2007, data.frame(a = ai, n1 = n1i, c = ci, n2 = n2i)),
  hine1989 = with(dat.hine1989, data.frame(a = ai, n1 = n1i, c = ci, n2 = n2i)),
  li2007 = with(dat.li2007, data.frame(a = ai, n1 = n1i, c = ci, n2 = n2i)),
  empty = data.frame(a = c(0, 5, 10, 0, 12), n1 = c(10, 12, 10, 8, 12), c = c(3, 0, 7, 0, 12), n2 = c(9, 11, 12, 9, 12)))
set.seed(7)
for (k in c(2, 10)) {
  n1 <- sample(8:60, k, replace = TRUE); n2 <- sample(8:60, k, replace = TRUE); u <- rnorm(k, -1, 1)
  groups[[sprintf("simulated_k%d", k)]] <- data.frame(a = rbinom(k, n1, plogis(u + rnorm(k, 0.7, 0.6))), n1,
                                                      c = rbinom(k, n2, plogis(u)), n2)
}
# The variance of a proportion; at 0% and 100% that of (x + 1) / (n + 2), after Agresti and Caffo (2000).
edge_variance <- function(x, n) {
  added <- ifelse(x == 0 | x == n, 1, 0)
  p <- (x + added) / (n + 2 * added)
  p * (1 - p) / (n + 2 * added)
}
groups_rows <- NULL
for (name in names(groups)) for (measure in c("RR", "OR", "RD")) {
  d <- groups[[name]]
  # Studies with no event, or nothing but events, carry no information on a ratio. Differences need no 0.5.
  if (measure == "RD") {
    e <- escalc("RD", ai = a, n1i = n1, ci = c, n2i = n2, data = d, to = "none")
    ours <- with(d, edge_variance(a, n1) + edge_variance(c, n2))
    inside <- with(d, a > 0 & a < n1 & c > 0 & c < n2)
    stopifnot(all.equal(ours[inside], e$vi[inside]))
    e$vi <- ours
  } else e <- escalc(measure, ai = a, n1i = n1, ci = c, n2i = n2, data = d, drop00 = TRUE)
  set <- paste(name, measure, sep = "/")
  sets[[set]] <- data.frame(xi = NA, ni = NA, yi = c(e$yi), vi = e$vi)
  groups_rows <- rbind(groups_rows, data.frame(set, events1 = d$a, n1 = d$n1, events2 = d$c, n2 = d$n2))
}
put(groups_rows, "groups.csv")

set.seed(8)
pairs <- rbind(data.frame(a = c(10, 0, 5, 0), b = c(4, 3, 0, 9), c = c(2, 6, 0, 0), d = c(20, 0, 7, 0)),
  t(rmultinom(16, 30, c(0.3, 0.2, 0.1, 0.4))) |> as.data.frame() |> setNames(c("a", "b", "c", "d")))
pairs_rows <- NULL
for (measure in c("MPRR", "MPORC", "MPRD")) {
  e <- escalc(measure, ai = a, bi = b, ci = c, di = d, data = pairs, to = if (measure == "MPRD") "none" else "only0")
  # Without a discordant pair there is no information on the conditional odds ratio, and a difference has variance 0:
  # then, and where all pairs are discordant in one way, its variance is that with 0.5 more in each cell (Agresti and
  # Min 2005).
  if (measure == "MPORC") e[with(pairs, b == 0 & c == 0), c("yi", "vi")] <- NA
  if (measure == "MPRD") {
    more <- escalc(measure, ai = a, bi = b, ci = c, di = d, data = pairs, add = 0.5, to = "all")
    e$vi <- ifelse(e$vi > 0, e$vi, more$vi)
  }
  pairs_rows <- rbind(pairs_rows, data.frame(measure, pairs, y = num(e$yi), v = num(e$vi)))
}
# The log odds ratio of two margins, with an assumed correlation: no cell of the margins may be empty here.
full <- subset(pairs, a + b > 0 & c + d > 0 & a + c > 0 & b + d > 0)
e <- escalc("MPORM", ai = a + b, bi = c + d, ci = a + c, di = b + d, ri = rep(0.4, nrow(full)), data = full)
pairs_rows <- rbind(pairs_rows, data.frame(measure = "MPORM", full, y = num(e$yi), v = num(e$vi)))
put(pairs_rows, "pairs.csv")

bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
sets[["bcg/logRR"]] <- data.frame(xi = NA, ni = NA, yi = c(bcg$yi), vi = bcg$vi)
sets[["hackshaw1998/logOR"]] <- with(dat.hackshaw1998, data.frame(xi = NA, ni = NA, yi, vi))
sets[["bangertdrowns2004/SMD"]] <- with(dat.bangertdrowns2004, data.frame(xi = NA, ni = NA, yi, vi))
sets[["raudenbush1985/SMD"]] <- with(dat.raudenbush1985, data.frame(xi = NA, ni = NA, yi, vi))
sets[["equal/effects"]] <- data.frame(xi = NA, ni = NA, yi = rep(0.3, 5), vi = c(.01, .02, .03, .04, .05))
sets[["one/study"]] <- data.frame(xi = NA, ni = NA, yi = 0.4, vi = 0.02)
set.seed(9)
for (k in c(2, 4, 12, 40)) for (tau in c(0, 30))
  sets[[sprintf("normal_k%d_tau%d/any", k, tau)]] <- data.frame(xi = NA, ni = NA,
    vi = vi <- runif(k, 0.05, 2), yi = rnorm(k, 1, sqrt(tau^2 + vi)))

# --- Pooling -------------------------------------------------------------------------------------------------
studies <- NULL
values <- list()
back <- list(arcsine = function(x, n) transf.iarcsin(x),
             "double-arcsine" = function(x, n) transf.ipft.hm(x, targs = list(ni = n)))
for (name in names(sets)) {
  d <- sets[[name]]
  studies <- rbind(studies, data.frame(set = name, events = d$xi, n = d$ni, y = num(d$yi), v = num(d$vi)))
  d <- d[!is.na(d$vi) & d$vi > 0, ]
  scale <- sub(".*/", "", name)
  for (method in METHODS) for (test in c("z", "knha")) {
    # The standard error alone differs between the tests: one estimator of each kind will do for the second.
    if (test == "knha" && (nrow(d) == 1 || !method %in% c("DL", "REML", "FE"))) next
    # The estimators know nothing of scales: some of them will do for the two more.
    if (scale %in% c("arcsine", "double-arcsine") && (test == "knha" || !method %in% c("DL", "PM", "REML"))) next
    fit <- fit_of(d$yi, d$vi, method, test)
    add <- function(what, value) values[[length(values) + 1]] <<- data.frame(set = name, tau2_method = method,
        ci = if (test == "z") "normal" else "hksj", what = what, value = num(value))
    add("estimate", fit$b[1]); add("se", fit$se); add("tau2", fit$tau2)
    add("ci_low", fit$ci.lb); add("ci_high", fit$ci.ub)
    # Student's t on k - 2 degrees of freedom. A fit by method "FE" has no prediction interval in metafor.
    if (method != "FE" && fit$k > 2) {
      pred <- predict(fit, pi.type = "riley")
      add("pi_low", pred$pi.lb); add("pi_high", pred$pi.ub)
    }
    if (method == "DL" && test == "z") {
      add("k", fit$k); add("q", fit$QE); add("q_p", fit$QEp); add("i2", fit$I2 / 100); add("h2", fit$H2)
      if (fit$k > 1) {
        # metafor calls an interval with both limits below 0 empty and gives 0 for both.
        int <- suppressMessages(confint(fit, control = list(tol = 1e-13, maxiter = 1e5, tau2.max = 1e9)))$random
        add("interval_tau2_low", int["tau^2", "ci.lb"]); add("interval_tau2_high", int["tau^2", "ci.ub"])
        add("interval_i2_low", int["I^2(%)", "ci.lb"] / 100); add("interval_i2_high", int["I^2(%)", "ci.ub"] / 100)
      }
      if (scale %in% names(back)) for (what in c("b", "ci.lb", "ci.ub"))
        add(paste0("proportion_", what), back[[scale]](c(fit[[what]]), d$ni))
      if (fit$k > 1 && fit$k < 20 && scale %in% c("raw", "logRR", "logOR")) {
        one <- leave1out(fit); cum <- cumul(fit)
        for (i in seq_len(fit$k)) {
          add(sprintf("leave1out_%d", i), one$estimate[i]); add(sprintf("cumul_%d", i), cum$estimate[i])
        }
      }
    }
  }
}
# Subgroups (BCG trials by allocation): a tau2 each, and a common one, with the tests between them.
more <- function(what, value, method = "DL") values[[length(values) + 1]] <<-
  data.frame(set = "bcg/logRR", tau2_method = method, ci = "normal", what = what, value = num(value))
parts <- lapply(split(bcg, bcg$alloc), function(g) rma(yi, vi, data = g, method = "DL"))
between <- rma(sapply(parts, function(g) g$b[1]), sapply(parts, function(g) g$se^2), method = "FE")
for (g in names(parts)) more(paste0("group_", g), parts[[g]]$b[1])
more("between_q", between$QE); more("between_p", between$QEp)
for (method in c("DL", "REML")) {
  common <- rma(yi, vi, mods = ~ alloc - 1, data = bcg, method = method, control = if (method == "REML") control)
  test <- rma(yi, vi, mods = ~ alloc, data = bcg, method = method, control = if (method == "REML") control)
  for (i in seq_along(common$b)) {
    g <- sub("alloc", "", rownames(common$b)[i])
    more(paste0("common_", g), common$b[i], method); more(paste0("common_se_", g), common$se[i], method)
  }
  more("common_tau2", common$tau2, method)
  more("common_between_q", test$QM, method); more("common_between_p", test$QMp, method)
}
put(data.frame(alloc = bcg$alloc), "bcg_allocation.csv")
put(studies, "studies.csv")
put(do.call(rbind, values), "values.csv")

# --- The random-intercept logistic model ---------------------------------------------------------------------
# By lme4's adaptive Gauss-Hermite quadrature: with the 7 nodes that are metafor's default, and with 25, the most
# that lme4 allows.
glmm <- list()
for (name in names(proportions)) for (nodes in c(7, 25)) {
  d <- proportions[[name]]
  if (all(d$xi %in% c(0) | d$xi == d$ni)) next
  fit <- suppressWarnings(rma.glmm(measure = "PLO", xi = xi, ni = ni, data = d, nAGQ = nodes,
    control = list(optCtrl = list(xtol_abs = 1e-10, ftol_abs = 1e-12, maxeval = 1e5))))
  for (what in c("se", "tau2", "ci.lb", "ci.ub", "QE.LRT", "QEp.LRT")) glmm[[length(glmm) + 1]] <-
    data.frame(set = name, nodes, what, value = num(fit[[what]]))
  glmm[[length(glmm) + 1]] <- data.frame(set = name, nodes, what = "b", value = num(fit$b[1]))
  if (fit$k < 3) next
  pred <- predict(fit, pi.type = "riley")
  glmm[[length(glmm) + 1]] <- data.frame(set = name, nodes, what = c("pi.lb", "pi.ub"), value = num(c(pred$pi.lb, pred$pi.ub)))
}
put(do.call(rbind, glmm), "glmm.csv")

# --- Meta-regression, its permutation test, influence and Baujat plots -----------------------------------------
moderated <- list(bcg = data.frame(yi = c(bcg$yi), vi = bcg$vi, x1 = dat.bcg$ablat, x2 = dat.bcg$year),
  raudenbush1985 = with(dat.raudenbush1985, data.frame(yi = c(yi), vi, x1 = weeks, x2 = as.numeric(setting == "group"))),
  bangertdrowns2004 = with(subset(dat.bangertdrowns2004, !is.na(length) & !is.na(wic)),
                           data.frame(yi = c(yi), vi, x1 = length, x2 = wic)))
set.seed(10)
for (k in c(4, 6, 9, 40)) for (tau in c(0, 2)) {
  vi <- runif(k, 0.02, 0.6); x1 <- rnorm(k, 50, 10); x2 <- rep_len(c(0, 1, 1), k)
  moderated[[sprintf("simulated_k%d_tau%d", k, tau)]] <-
    data.frame(yi = 0.05 * x1 + rnorm(k, 0, sqrt(tau^2 + vi)), vi, x1, x2)
}
regression <- list()
for (name in names(moderated)) for (formula in c("~ 1", "~ x1", "~ x1 + x2")) for (method in METHODS) {
  d <- moderated[[name]]
  mods <- as.formula(formula)
  label <- gsub("[~ ]", "", formula)
  for (test in c("z", "knha")) {
    if (formula == "~ 1" || (test == "knha" && !method %in% c("DL", "REML"))) next
    fit <- fit_of(d$yi, d$vi, method, test, mods = mods, data = d)
    add <- function(what, value) regression[[length(regression) + 1]] <<- data.frame(set = name, moderators = label,
      tau2_method = method, ci = if (test == "z") "normal" else "hksj", what, value = num(value))
    p <- seq_len(fit$p) - 1
    add(paste0("coefficients_", p), c(fit$b)); add(paste0("se_", p), fit$se)
    if (method == "DL") { add(paste0("p_", p), fit$pval); add(paste0("ci_low_", p), fit$ci.lb) }
    add("tau2", fit$tau2); add("qm", fit$QM); add("qm_p", fit$QMp)
    if (test == "z") { add("qe", fit$QE); add("qe_p", fit$QEp) }
    if (test == "z" && !is.null(fit$R2) && !is.na(fit$R2)) add("r2", fit$R2 / 100)
    if (nrow(d) == 6 && method %in% c("DL", "REML")) {
      per <- permutest(fit, exact = TRUE, progbar = FALSE)
      add(paste0("permuted_", p[-1]), per$pval[-1]); add("permuted_qm", per$QMp)
    }
  }
  if (method %in% c("REML", "FE") && nrow(d) < 20 && !(method == "FE" && formula == "~ x1 + x2")) {
    fit <- fit_of(d$yi, d$vi, method, "z", mods = mods, data = d)
    inf <- influence(fit)$inf
    bau <- tryCatch(baujat(fit, progbar = FALSE), error = function(e) NULL)  # with a leave-one-out that cannot be fitted
    test <- "z"
    for (what in c("rstudent", "dffits", "cook.d", "cov.r", "tau2.del", "QE.del", "hat"))
      if (!is.null(inf[[what]])) add(sprintf("%s_%d", what, seq_along(d$yi)), c(inf[[what]]))
    if (!is.null(bau)) add(sprintf("baujat_x_%d", seq_along(d$yi)), bau$x)
    if (!is.null(bau)) add(sprintf("baujat_y_%d", seq_along(d$yi)), bau$y)
  }
}
put(do.call(rbind, lapply(names(moderated), function(n) data.frame(set = n, lapply(moderated[[n]], num)))),
    "moderators.csv")
put(do.call(rbind, regression), "regression.csv")

# --- Small-study effects ---------------------------------------------------------------------------------------
# Peters' test by its definition: the effect on 1 / n, weighted by events (n - events) / n (both groups together).
asymmetry <- list()
totals <- list()
for (name in names(proportions)) totals[[paste0(name, "/logit")]] <- with(proportions[[name]], data.frame(e = xi, n = ni))
for (name in names(groups)) totals[[paste0(name, "/OR")]] <- with(groups[[name]], data.frame(e = a + c, n = n1 + n2))
for (name in c(names(totals), "bcg/logRR", "hackshaw1998/logOR", "bangertdrowns2004/SMD", "raudenbush1985/SMD",
               "normal_k12_tau0/any", "normal_k40_tau30/any")) {
  known <- !is.na(sets[[name]]$vi)
  d <- sets[[name]][known, ]
  if (nrow(d) < 3) next
  add <- function(test, what, value) asymmetry[[length(asymmetry) + 1]] <<-
    data.frame(set = name, test, what, value = num(value))
  reg <- regtest(d$yi, d$vi, model = "lm")
  add("egger", "statistic", reg$zval); add("egger", "p", reg$pval)
  if (name %in% names(totals)) {
    t <- totals[[name]][known, ]
    keep <- t$e > 0 & t$e < t$n
    if (sum(keep) > 2) {
      s <- summary(lm(d$yi ~ I(1 / t$n), weights = t$e * (t$n - t$e) / t$n))$coefficients
      add("peters", "statistic", s[2, 3]); add("peters", "p", s[2, 4])
    }
  }
  rank <- suppressWarnings(ranktest(d$yi, d$vi))
  add("begg", "statistic", rank$tau); add("begg", "p", rank$pval)
  for (method in c("FE", "DL", "REML")) {
    tf <- trimfill(fit_of(d$yi, d$vi, method))
    test <- paste("trimfill", method, sep = "_")
    add(test, "k0", tf$k0); add(test, "right", as.numeric(tf$side == "right"))
    # trimfill fits with metafor's own tolerance, of 1e-5.
    if (method == "REML") tf <- fit_of(tf$yi, tf$vi, method)
    add(test, "estimate", tf$b[1]); add(test, "se", tf$se); add(test, "tau2", tf$tau2)
  }
}
totals <- totals[sapply(totals, nrow) > 2]
put(do.call(rbind, asymmetry), "asymmetry.csv")
put(do.call(rbind, lapply(names(totals), function(n) cbind(set = n, totals[[n]]))), "totals.csv")
