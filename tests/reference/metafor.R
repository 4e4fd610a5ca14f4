# Reference values for tests/test_pooling.py, from R's metafor.
#
#   Rscript tests/reference/metafor.R        (Debian: r-base-core r-cran-metafor r-cran-metadat)
#
# writes studies.csv (the data sets, effect sizes and variances by metafor's escalc) and values.csv (the
# pooled results) beside itself. R is not needed to run the tests.
suppressPackageStartupMessages({library(metafor); library(metadat)})
args <- commandArgs(FALSE)
here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", args, value = TRUE))))
num <- function(x) sprintf("%.17g", x)

proportions <- list(
  pritz1997 = with(dat.pritz1997, data.frame(xi, ni)),
  debruin2009 = with(dat.debruin2009, data.frame(xi, ni)),
  zeros = data.frame(xi = c(0, 3, 12, 20, 7, 0), ni = c(14, 20, 30, 20, 25, 11)),
  two = data.frame(xi = c(4, 11), ni = c(15, 19)))
set.seed(20190529)
for (k in c(3, 8, 19, 40)) for (spread in c(0, 1.5)) {
  ni <- sample(10:120, k, replace = TRUE)
  xi <- rbinom(k, ni, plogis(rnorm(k, -0.5, spread)))
  proportions[[sprintf("simulated_k%d_spread%s", k, spread)]] <- data.frame(xi, ni)
}

sets <- list()
for (name in names(proportions)) {
  d <- proportions[[name]]
  raw <- escalc("PR", xi = xi, ni = ni, data = d, to = "none")
  lg <- escalc("PLO", xi = xi, ni = ni, data = d, add = 0.5, to = "only0")
  sets[[paste0(name, "/raw")]] <- cbind(d, yi = raw$yi, vi = raw$vi)
  sets[[paste0(name, "/logit")]] <- cbind(d, yi = lg$yi, vi = lg$vi)
}
bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
sets[["bcg/logRR"]] <- data.frame(xi = NA, ni = NA, yi = bcg$yi, vi = bcg$vi)
sets[["hackshaw1998/logOR"]] <- with(dat.hackshaw1998, data.frame(xi = NA, ni = NA, yi, vi))
sets[["equal/effects"]] <- data.frame(xi = NA, ni = NA, yi = rep(0.3, 5), vi = c(.01, .02, .03, .04, .05))
sets[["one/study"]] <- data.frame(xi = NA, ni = NA, yi = 0.4, vi = 0.02)

studies <- values <- NULL
control <- list(threshold = 1e-12, maxiter = 1000, tol = 1e-12)
for (name in names(sets)) {
  d <- sets[[name]]
  studies <- rbind(studies, data.frame(set = name, events = d$xi, n = d$ni, y = num(d$yi), v = num(d$vi)))
  d <- d[d$vi > 0, ]
  for (method in c("DL", "PM", "REML", "FE")) for (test in c("z", "knha")) {
    if (nrow(d) == 1 && test == "knha") next
    fit <- if (method == "FE") rma(yi, vi, data = d, method = "FE", test = test)
           else rma(yi, vi, data = d, method = method, test = test, control = control)
    pred <- predict(fit)
    add <- function(what, value)
      values <<- rbind(values, data.frame(set = name, tau2_method = method,
        ci = if (test == "z") "normal" else "hksj", what = what, value = num(value)))
    # A fit by method "FE" has no prediction interval of its own: with tau2 = 0 it is the confidence interval.
    add("k", fit$k); add("estimate", fit$b[1]); add("se", fit$se)
    add("ci_low", fit$ci.lb); add("ci_high", fit$ci.ub)
    add("pi_low", if (method == "FE") fit$ci.lb else pred$pi.lb)
    add("pi_high", if (method == "FE") fit$ci.ub else pred$pi.ub)
    add("tau2", fit$tau2); add("q", fit$QE); add("q_p", fit$QEp)
    if (method == "DL") { add("i2", fit$I2 / 100); add("h2", fit$H2) }
    if (method == "DL" && test == "z" && fit$k > 1) {
      one <- leave1out(fit); cum <- cumul(fit)
      for (i in seq_len(fit$k)) {
        add(sprintf("leave1out_%d", i), one$estimate[i]); add(sprintf("cumul_%d", i), cum$estimate[i])
      }
    }
  }
}
# Subgroups with a tau2 each, and the test between them (BCG trials by allocation).
groups <- lapply(split(bcg, bcg$alloc), function(g) rma(yi, vi, data = g, method = "DL"))
between <- rma(sapply(groups, function(g) g$b[1]), sapply(groups, function(g) g$se^2), method = "FE")
for (g in names(groups)) values <- rbind(values, data.frame(set = "bcg/logRR", tau2_method = "DL", ci = "normal",
  what = paste0("group_", g), value = num(groups[[g]]$b[1])))
values <- rbind(values, data.frame(set = "bcg/logRR", tau2_method = "DL", ci = "normal",
  what = c("between_q", "between_p"), value = num(c(between$QE, between$QEp))))
write.csv(data.frame(alloc = bcg$alloc), file.path(here, "bcg_allocation.csv"), row.names = FALSE, quote = FALSE)
write.csv(studies, file.path(here, "studies.csv"), row.names = FALSE, quote = FALSE, na = "")
write.csv(values, file.path(here, "values.csv"), row.names = FALSE, quote = FALSE)
