package policy

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	agreementID = regexp.MustCompile(`^agr-[a-z0-9-]{1,40}$`)
	purposeCode = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$`) // fits an audit header
	datasetID   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	columnName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}\.([a-z][a-z0-9_]{0,62}|\*)$`)
	className   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
	partyName   = regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,256}$`)
)

// maxPU keeps 10,000 nano-rho times any amount within int64, and within what JSON numbers hold.
const maxPU = 100_000_000_000

// check holds every term to its range.
func (a *Agreement) check(r *reader) error {
	switch {
	case !agreementID.MatchString(a.ID):
		return r.errorf("id", `must be "agr-" and 1 to 40 of a-z 0-9 -; choose it at random, not from a name`)
	case a.Version < 1 || a.Version > 1<<53-1:
		return r.errorf("version", "must be a whole number from 1; raise it with every change")
	case strings.TrimSpace(a.Title) == "" || len(a.Title) > 500:
		return r.errorf("title", "must be 1 to 500 bytes long")
	case !slices.Contains([]string{"active", "suspended", "ended"}, a.State):
		return r.errorf("state", "must be active, suspended or ended")
	case a.Mode != "dp" && a.Mode != "sdc":
		return r.errorf("mode", "must be dp or sdc, the mode of the datasets")
	case a.Mode == "sdc" && slices.Contains(a.Kinds, "encrypted"):
		return r.errorf("kinds", "mode sdc knows no encrypted questions: its rules must see the cells")
	case !(a.MinError > 0 && a.MinError <= 1e15):
		return r.errorf("min_error", "must be a positive number: the smallest half-width at 95 %% a query may ask")
	case a.MaxPricePU < 1 || a.MaxPricePU > maxPU:
		return r.errorf("max_price_pu", "must be a whole number from 1 to %d", int64(maxPU))
	case a.PerHour < 1 || a.PerHour > 1_000_000:
		return r.errorf("per_hour", "must be a whole number from 1 to 1000000")
	case len(a.Hours) != 2 || a.Hours[0] < 0 || a.Hours[1] > 24 || a.Hours[0] >= a.Hours[1]:
		return r.errorf("hours", "must be [from, to] in UTC with 0 <= from < to <= 24, such as [8, 18]")
	}
	for _, l := range []struct {
		path   string
		items  []string
		form   *regexp.Regexp
		most   int
		empty  bool
		wanted string
	}{
		{"parties", a.Parties, partyName, 256, false, "an organisation as certificates spell it, at most 256 characters"},
		{"users", a.Users, partyName, 4096, true, "a name as certificates spell it, at most 256 characters"},
		{"purposes", a.Purposes, purposeCode, 64, false, `a code such as "DUO:0000042" or "EHDS:53.1.e"`},
		{"kinds", a.Kinds, regexp.MustCompile(`^(aggregate|encrypted)$`), 2, false, "aggregate or encrypted"},
	} {
		if err := checkList(r, l.path, l.items, l.form, l.most, l.empty, l.wanted); err != nil {
			return err
		}
	}
	if err := a.checkDatasets(r); err != nil {
		return err
	}
	if err := a.checkEncrypted(r, r.lines["encrypted"] > 0); err != nil {
		return err
	}
	return a.checkBudget(r)
}

func checkList(r *reader, path string, items []string, form *regexp.Regexp, most int, empty bool, wanted string) error {
	if len(items) > most || len(items) == 0 && !empty {
		return r.errorf(path, "must list 1 to %d, each %s", most, wanted)
	}
	for i, item := range items {
		here := at(path, i)
		if !form.MatchString(item) {
			return r.errorf(here, "must be %s", wanted)
		}
		if slices.Contains(items[:i], item) {
			return r.errorf(here, "is listed twice")
		}
	}
	return nil
}

func (a *Agreement) checkDatasets(r *reader) error {
	if len(a.Datasets) == 0 || len(a.Datasets) > 64 {
		return r.errorf("datasets", "must list 1 to 64 datasets")
	}
	for i, d := range a.Datasets {
		here := at("datasets", i)
		if !datasetID.MatchString(d.ID) {
			return r.errorf(here+".id", "must be a dataset id of the catalogue")
		}
		if slices.ContainsFunc(a.Datasets[:i], func(e InputAllowed) bool { return e.ID == d.ID }) {
			return r.errorf(here+".id", "is listed twice; put all its columns into one entry")
		}
		if err := checkList(r, here+".columns", d.Columns, columnName, 4096, false, "table.column or table.*"); err != nil {
			return err
		}
		if err := checkList(r, here+".sensitivity", d.Sensitivity, className, 64, false, "a sensitivity class of the catalogue"); err != nil {
			return err
		}
	}
	return nil
}

// unit is the key of a budget in the agreement's mode.
func (a *Agreement) unit() string {
	if a.Mode == "sdc" {
		return "cells"
	}
	return "pu"
}

func (a *Agreement) checkBudget(r *reader) error {
	if len(a.Budget) == 0 || len(a.Budget) > 64 {
		return r.errorf("budget", "must list 1 to 64 populations with their pu")
	}
	for i, b := range a.Budget {
		here := at("budget", i)
		if !datasetID.MatchString(b.Population) {
			return r.errorf(here+".population", "must be a population of the catalogue")
		}
		if slices.ContainsFunc(a.Budget[:i], func(e PopulationBudget) bool { return e.Population == b.Population }) {
			return r.errorf(here+".population", "is listed twice")
		}
		if unit := a.unit(); b.unit != unit {
			return r.errorf(here, "mode %s has a budget of %s: give %s: and a whole number", a.Mode, map[string]string{"pu": "privacy units", "cells": "cells"}[unit], unit)
		}
		if b.PU < 1 || b.PU > maxPU {
			return r.errorf(here+"."+b.unit, "must be a whole number from 1 to %d", int64(maxPU))
		}
		if b.Delta > 0 && a.Mode == "sdc" {
			return r.errorf(here+".delta", "mode sdc has no delta: leave it out")
		}
	}
	return nil
}

// setDates reads whole UTC days: from the first second of one until the last second of the other.
func (a *Agreement) setDates(validFrom, validUntil string, r *reader) error {
	from, err := time.Parse(time.DateOnly, validFrom)
	if err != nil || from.Year() < 1970 {
		return r.errorf("valid_from", "must be a day written yyyy-mm-dd")
	}
	until, err := time.Parse(time.DateOnly, validUntil)
	if err != nil || until.Year() > 9998 {
		return r.errorf("valid_until", "must be a day written yyyy-mm-dd")
	}
	if until.Before(from) {
		return r.errorf("valid_until", "must not be before valid_from")
	}
	a.ValidFrom, a.ValidUntil = from.Unix(), until.AddDate(0, 0, 1).Unix()
	return nil
}
