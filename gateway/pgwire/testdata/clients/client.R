# Asks a gateway with DBI and RPostgreSQL, or RPostgres where that is installed, and prints what it hears. The connection comes from libpq's environment.
library(DBI)
if (requireNamespace("RPostgres", quietly = TRUE)) {
  con <- dbConnect(RPostgres::Postgres(), dbname = "nhefs")
} else {
  suppressMessages(library(RPostgreSQL))
  con <- dbConnect(dbDriver("PostgreSQL"), dbname = "nhefs", host = Sys.getenv("PGHOST"), port = Sys.getenv("PGPORT"), user = Sys.getenv("PGUSER"))
}
cat("tables", dbListTables(con), "\n")
cat("exists", dbExistsTable(con, "nhefs"), "\n")
cat("fields", head(dbListFields(con, "nhefs"), 2), "\n")
answer <- dbGetQuery(con, "SELECT sex, COUNT(*) AS n, AVG(wt82_71) AS kg FROM nhefs GROUP BY sex")
cat("frame", class(answer), nrow(answer), is.numeric(answer$n), is.numeric(answer$kg), "\n")
refused <- tryCatch({ dbGetQuery(con, "SELECT seqn FROM nhefs"); "no" }, error = function(e) "yes", warning = function(e) "yes")
cat("refused", refused, "\n")
invisible(dbDisconnect(con))
