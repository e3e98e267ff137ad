# Ask a Jali gateway from R: protected aggregates as data frames with 95 % intervals, over DBI and the gateway's PostgreSQL port.
#
#   source("jali.R")
#   con <- jali_connect("ana", port = 5432, agreement = "agr-nhefs-demo", purpose = "DUO:0000006")
#   jali_quote(con, "SELECT qsmk, COUNT(*) AS n FROM nhefs GROUP BY qsmk", error = 20)     # price and half-widths, free
#   jali_query(con, "SELECT qsmk, COUNT(*) AS n FROM nhefs GROUP BY qsmk", error = 20)     # qsmk, n, n_lo, n_hi; charged
#   DBI::dbDisconnect(con)
#
# One file, to be copied or sourced. Needs R 4.0.1, DBI, and RPostgreSQL (Debian: r-cran-dbi, r-cran-rpostgresql; what the tests run) or RPostgres (not run). A gateway
# that is named by its address and not by a name needs libpq 15, which compares addresses with certificates.
#
# Guaranteed: the connection is TLS with the gateway's certificate verified against the profile's CA and its name, and with the client's
# certificate; there is no accuracy, agreement or purpose by default; a refusal is an R error with the gateway's hint.
# Not guaranteed: that a receipt was verified. The protocol of PostgreSQL has no place for it, and R no verifier: jali_query() keeps receipt and recorded
# result of an answer, and jali_verify() checks them with the program `jali`; that the data frame shows this result is not checked. Where figures must be
# verified before they are seen, use sdk/python or `jali query`.

# jali_profile reads connection settings: a directory that `jali-gateway client new` wrote, or the path of a profile file with one profile. Files are named
# relative to it. Only the plain form that the program writes is read: one "key: value" a line.
jali_profile <- function(path) {
  file <- if (dir.exists(path)) file.path(path, "profile.yaml") else path
  if (!file.exists(file)) jali_stop("no profile at ", file, hint = "name the directory that `jali-gateway client new` wrote")
  lines <- sub("[ \t]+$", "", readLines(file, warn = FALSE))
  lines <- lines[!grepl("^[ \t]*(#|$)", lines)]
  known <- c("endpoint", "ca", "cert", "key", "vkeys", "seal", "agreement", "purpose", "dataset", "token_file", "issuer", "client_id", "issuer_ca", "resource")
  setting <- grepl(paste0("^ +(", paste(known, collapse = "|"), "): +[^ \\[\\{|>&*!]"), lines)
  frame <- grepl("^(default: +[^ ]+|profiles:| +[A-Za-z0-9._-]+:)$", lines)
  if (!all(setting | frame) || sum(grepl("^ +[A-Za-z0-9._-]+:$", lines)) != 1)
    jali_stop("cannot read ", file, hint = "this reads files with one profile, a \"key: value\" a line, as `jali-gateway client new` writes them")
  key <- sub("^ +([a-z_]+):.*$", "\\1", lines[setting])
  if (anyDuplicated(key)) jali_stop(file, " gives a setting twice", hint = "remove one")
  value <- sub("^ +[a-z_]+: +", "", lines[setting])
  value <- sub("^\"(.*)\"$", "\\1", sub("^'(.*)'$", "\\1", value))
  out <- as.list(stats::setNames(value, key))
  beside <- function(p) if (grepl("^(/|~|[A-Za-z]:)", p)) path.expand(p) else file.path(normalizePath(dirname(file)), p)
  for (name in intersect(c("ca", "cert", "key", "vkeys", "seal"), names(out))) out[[name]] <- beside(out[[name]])
  out
}

# jali_connect opens the gateway's PostgreSQL port (listen_pg in its config.yaml). host is the endpoint's unless given. The connection is a
# DBI connection: dbGetQuery, dbListTables and dbListFields work too, with the settings made here or by SET.
jali_connect <- function(profile, port = 5432, host = NULL, agreement = NULL, purpose = NULL, dataset = NULL, driver = NULL) {
  p <- if (is.list(profile)) profile else jali_profile(profile)
  if (is.null(host)) host <- sub("^https://\\[?([^]/:]+|[0-9a-fA-F:]+)\\]?(:[0-9]+)?/?$", "\\1", p$endpoint)
  conninfo <- c(
    host = host, port = format(port), dbname = "jali", user = "jali", sslmode = "verify-full", sslrootcert = p$ca, sslcert = p$cert, sslkey = p$key
  )
  con <- if (is.null(driver)) {
    if (requireNamespace("RPostgres", quietly = TRUE)) do.call(DBI::dbConnect, c(list(RPostgres::Postgres(), bigint = "numeric"), as.list(conninfo)))
    else if (requireNamespace("RPostgreSQL", quietly = TRUE)) jali_rpostgresql(conninfo)
    else jali_stop("neither RPostgres nor RPostgreSQL is installed", hint = "install.packages(\"RPostgres\"), or apt-get install r-cran-rpostgresql")
  } else if (inherits(driver, "PostgreSQLDriver")) jali_rpostgresql(conninfo)
  else do.call(DBI::dbConnect, c(list(driver), as.list(conninfo)))
  choose <- function(given, name) if (!is.null(given)) given else p[[name]]
  for (name in c("agreement", "purpose", "dataset")) {
    value <- choose(switch(name, agreement = agreement, purpose = purpose, dataset = dataset), name)
    if (!is.null(value)) jali_set(con, name, value)
  }
  con
}

# jali_query asks and is charged, unless the same question was answered before. error is the accuracy: the half-width at 95 %, in persons or rows
# for counts and in the output's unit for sums. error_for overrides it by output: c(kilos = 0.5). After each measure x come x_lo and x_hi,
# its 95 % interval. Hidden figures are NA. attr(, "jali") has price, decision, receipt and result.
jali_query <- function(con, sql, error, error_for = NULL) {
  on.exit(jali_set(con, "intervals", "off"))
  frame <- jali_ask(con, sql, error, error_for, intervals = TRUE)
  show <- function(name) jali_show(con, name)
  structure(jali_intervals(frame), jali = list(price = show("price"), decision = show("decision"), receipt = show("receipt"), result = show("result")))
}

# jali_quote tells price and half-widths, and whether the question would be answered now. Free; no data is touched. A data frame of item and value.
jali_quote <- function(con, sql, error, error_for = NULL) {
  jali_set(con, "quote", "on")
  on.exit(jali_set(con, "quote", "off"))
  jali_ask(con, sql, error, error_for, intervals = FALSE)
}

# jali_receipt is the receipt of the last answer on the connection, as text: keep it.
jali_receipt <- function(con) jali_show(con, "receipt")

# jali_verify checks the receipt of an answer of jali_query, and the recorded result with it, against the log's verifier keys, by the program `jali`. It
# returns what was checked. Keep both texts, attr(answer, "jali")$receipt and $result: they verify offline, years later.
jali_verify <- function(answer, vkeys, program = "jali") {
  kept <- attr(answer, "jali")
  files <- tempfile(c("receipt", "result"), fileext = ".json")
  on.exit(unlink(files))
  for (i in 1:2) writeBin(charToRaw(enc2utf8(kept[[c("receipt", "result")[i]]])), files[i])
  args <- c("receipt", "verify", shQuote(files[1]), "--result", shQuote(files[2]), "--vkeys", shQuote(vkeys))
  said <- suppressWarnings(system2(program, args, stdout = TRUE, stderr = TRUE))
  if (!is.null(attr(said, "status"))) jali_stop("the receipt does not verify: ", paste(said, collapse = "\n"), hint = "do not use the answer; keep the receipt and tell the custodian")
  said
}

# What follows is not for callers.

jali_stop <- function(..., hint = "") stop(paste0(..., if (nzchar(hint)) paste0("\nhint: ", hint)), call. = FALSE)

# RPostgreSQL knows no TLS settings, but hands dbname to libpq, which takes a whole connection string there.
jali_rpostgresql <- function(conninfo) {
  quoted <- paste0("'", gsub("(['\\\\])", "\\\\\\1", conninfo), "'")
  DBI::dbConnect(RPostgreSQL::PostgreSQL(), dbname = paste(names(conninfo), quoted, sep = "=", collapse = " "))
}

# A setting is a text in quotes, with quotes doubled: nothing in it can end the statement.
jali_set <- function(con, name, value) {
  stopifnot(length(value) == 1, !is.na(value))
  invisible(jali_run(con, paste0("SET jali.", name, " = '", gsub("'", "''", as.character(value)), "'"), rows = FALSE))
}

jali_show <- function(con, name) {
  shown <- jali_run(con, paste0("SHOW jali.", name))
  if (nrow(shown) == 1) as.character(shown[[1]]) else NA_character_
}

jali_ask <- function(con, sql, error, error_for, intervals) {
  if (missing(error) || length(error) != 1 || is.na(error)) jali_stop("no accuracy given", hint = "say how accurate the answer must be: error = 50; smaller costs more")
  number <- function(x) if (is.character(x)) x else format(x, scientific = FALSE, trim = TRUE, digits = 15)
  jali_set(con, "error", number(error))
  jali_set(con, "error_for", paste(names(error_for), vapply(error_for, number, ""), sep = " = ", collapse = ", ", recycle0 = TRUE))
  jali_set(con, "intervals", if (intervals) "on" else "off")
  jali_run(con, sql)
}

# jali_run makes an R error of every refusal: RPostgreSQL only warns, and returns NULL.
jali_run <- function(con, sql, rows = TRUE) {
  said <- character()
  heard <- function(e) {
    said <<- c(said, conditionMessage(e))
    NULL
  }
  got <- withCallingHandlers(
    tryCatch(
      if (rows) DBI::dbGetQuery(con, sql) else jali_execute(con, sql),
      error = function(e) heard(e)
    ),
    warning = function(w) {
      heard(w)
      invokeRestart("muffleWarning")
    }
  )
  if (is.null(got)) {
    if (inherits(con, "PostgreSQLConnection")) said <- DBI::dbGetException(con)$errorMsg # the condition only says that it failed
    jali_stop(paste(unique(said), collapse = "\n"))
  }
  got
}

jali_execute <- function(con, sql) {
  if (inherits(con, "PostgreSQLConnection")) {
    result <- DBI::dbSendQuery(con, sql)
    if (is.null(result)) return(NULL)
    return(DBI::dbClearResult(result))
  }
  DBI::dbExecute(con, sql)
}

# jali_intervals puts x_lo and x_hi in the place of each x_error95.
jali_intervals <- function(frame) {
  out <- list()
  for (name in names(frame)) {
    of <- sub("_error95$", "", name)
    if (of == name || !(of %in% names(frame))) {
      out[[name]] <- frame[[name]]
    } else {
      half <- as.numeric(frame[[name]])
      out[[paste0(of, "_lo")]] <- as.numeric(frame[[of]]) - half
      out[[paste0(of, "_hi")]] <- as.numeric(frame[[of]]) + half
    }
  }
  as.data.frame(out, optional = TRUE, stringsAsFactors = FALSE)
}
