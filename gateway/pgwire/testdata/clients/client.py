"""Asks a gateway with psycopg 3, pandas and SQLAlchemy, and prints what it hears as a line of JSON each. The connection comes from libpq's environment."""

import json
import os
import sys
import threading
import time

import psycopg

MEASURES = "SELECT qsmk, COUNT(*) AS n, AVG(wt82_71) AS kg, SUM(wt71) AS kilos FROM nhefs GROUP BY qsmk"
FOR_SUMS = "SET jali.error_for = 'kilos = 5000'"


def say(what, value):
    print(json.dumps([what, value], default=str), flush=True)


def with_psycopg():
    with psycopg.connect("dbname=nhefs") as c:
        c.execute(FOR_SUMS)
        text = c.execute(MEASURES).fetchall()
        binary = c.cursor(binary=True).execute(MEASURES).fetchall()
        say("types", [type(v).__name__ for v in text[0]])
        say("binary", text == binary)
        say("columns", [d.name for d in c.execute("SET jali.intervals = on") and c.execute(MEASURES).description])
        c.execute("SET jali.intervals = off")
        c.execute("RESET jali.error_for")
        say("parameters", c.execute("SELECT COUNT(*) AS n FROM nhefs WHERE age >= %s AND sex = %s", (40, 1)).fetchall() ==
            c.execute("SELECT COUNT(*) AS n FROM nhefs WHERE age >= 40 AND sex = 1").fetchall())
        before = c.execute("SHOW jali.budget").fetchall()
        c.execute("SET jali.quote = on")
        say("quote", c.execute("SELECT COUNT(*) AS n FROM nhefs WHERE age > 55").fetchall()[0])
        c.execute("SET jali.quote = off")
        say("quote is free", before == c.execute("SHOW jali.budget").fetchall())
        rows = c.execute("SELECT * FROM prevalence(outcome => death, by => sex)").fetchall()
        say("derived", [len(rows), type(rows[0][1]).__name__])
        for value in ("x' OR '1'='1", "x'; SELECT 1 --", "'", "\\' OR 1=1 --"):
            try:
                c.execute("SELECT COUNT(*) AS n FROM nhefs WHERE age_band = %s", (value,)).fetchall()
                say("injected", value)
            except psycopg.Error as e:
                say("literal", e.sqlstate)
        c.execute("SET jali.purpose = 'DUO:0000011'")
        try:
            c.execute("SELECT sex, COUNT(*) AS n FROM nhefs WHERE age < 50 GROUP BY sex").fetchall()
        except psycopg.Error as e:
            say("refused", [e.sqlstate, "decision" in (e.diag.message_detail or ""), bool(e.diag.message_hint)])


def canceled():
    with psycopg.connect("dbname=nhefs") as c:
        timer = threading.Timer(0.5, c.cancel)
        timer.start()
        begin = time.monotonic()
        try:
            c.execute(os.environ["SLOW"]).fetchall()
            say("canceled", "no")
        except psycopg.errors.QueryCanceled:
            say("canceled", time.monotonic() - begin < 2.5)
        timer.join()


def with_token():
    """The token is PGPASSWORD."""
    try:
        with psycopg.connect("dbname=nhefs") as c:
            rows = c.execute("SELECT qsmk, COUNT(*) AS n FROM nhefs GROUP BY qsmk").fetchall()
            say("rows", [len(rows), type(rows[0][1]).__name__])
    except psycopg.OperationalError as e:
        say("not connected", ["the token is not accepted" in str(e), "access token" in str(e)])


def with_pandas():
    import pandas as pd
    from sqlalchemy import MetaData, Table, create_engine, func, inspect, select, text

    engine = create_engine("postgresql+psycopg:///nhefs")
    with engine.connect() as c:
        c.execute(text(FOR_SUMS))
        frame = pd.read_sql(text(MEASURES), c)
        say("frame", [list(frame.columns), len(frame), bool(frame["n"].sum() > 0), str(frame["kilos"].dtype)])
        c.execute(text("RESET jali.error_for"))
        say("tables", inspect(c).get_table_names())
        say("column", [(x["name"], str(x["type"])) for x in inspect(c).get_columns("nhefs") if x["name"] in ("age_band", "wt71")])
        say("has", [inspect(c).has_table("nhefs"), inspect(c).has_table("nope")])
        t = Table("nhefs", MetaData(), autoload_with=c)
        q = select(t.c.sex, func.count().label("n")).where(t.c.age > 40, t.c.qsmk == 1).group_by(t.c.sex)
        say("built", len(c.execute(q).fetchall()))


{"psycopg": with_psycopg, "pandas": with_pandas, "cancel": canceled, "token": with_token}[sys.argv[1]]()
