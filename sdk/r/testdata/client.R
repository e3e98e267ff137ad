# Run by r_test.go: Rscript client.R HELPER PROFILE PORT JALI. Stops at the first thing that is not as it should be.
args <- commandArgs(trailingOnly = TRUE)
source(args[1])
con <- jali_connect(args[2], port = as.integer(args[3]), agreement = "agr-nhefs-demo", purpose = "DUO:0000006", dataset = "nhefs")
sql <- "SELECT qsmk, AVG(wt82_71) AS kilos, COUNT(*) AS n FROM nhefs GROUP BY qsmk ORDER BY qsmk"
refused <- function(expr) tryCatch({ force(expr); stop("not refused") }, error = function(e) conditionMessage(e))

quote <- jali_quote(con, sql, error = 20)
stopifnot(identical(names(quote), c("item", "value")), quote$value[quote$item == "allowed"] == "yes", any(quote$item == "price"))

answer <- jali_query(con, sql, error = 20)
print(answer)
stopifnot(
  identical(names(answer), c("qsmk", "kilos", "kilos_lo", "kilos_hi", "n", "n_lo", "n_hi")), nrow(answer) == 2,
  all(answer$n_lo < answer$n), all(answer$n < answer$n_hi), all(abs(answer$n_hi - answer$n_lo - 40) < 1.5),
  abs(sum(answer$n) - 1629) < 400 # 20 sigma
)
receipt <- attr(answer, "jali")$receipt
stopifnot(identical(receipt, jali_receipt(con)), grepl("jali-receipt/1", receipt, fixed = TRUE))
vkeys <- jali_profile(args[2])$vkeys
stopifnot(length(jali_verify(answer, vkeys, program = args[4])) > 2)
for (part in c("receipt", "result")) {
  changed <- answer
  attr(changed, "jali")[[part]] <- sub(if (part == "receipt") "DUO:0000006" else "[0-9]", if (part == "receipt") "DUO:0000042" else "", attr(answer, "jali")[[part]])
  stopifnot(grepl("does not verify", refused(jali_verify(changed, vkeys, program = args[4]))))
}

again <- jali_query(con, sql, error = 20)
stopifnot(identical(again$n, answer$n))
# Plain DBI on the same connection, at the accuracy last asked for.
plain <- DBI::dbGetQuery(con, "SELECT COUNT(*) AS n FROM nhefs")
stopifnot(identical(names(plain), "n"), nrow(plain) == 1)

stopifnot(grepl("nobody", m <- refused(jali_query(con, "SELECT COUNT(*) FROM nobody", error = 20))), grepl("hint", m, ignore.case = TRUE))
stopifnot(nzchar(refused(jali_query(con, "SELECT COUNT(*) FORM nhefs", error = 20))))
stopifnot(grepl("accuracy", refused(jali_query(con, sql))))
stopifnot(nzchar(refused(jali_query(con, "SELECT COUNT(*) FROM nhefs", error = "20'; SELECT 1 --"))))
stopifnot(nrow(jali_query(con, "SELECT COUNT(*) AS n FROM nhefs", error = 25, error_for = c(n = 30))) == 1)
invisible(DBI::dbDisconnect(con))
cat("all checks passed\n")
