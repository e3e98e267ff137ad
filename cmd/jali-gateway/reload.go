package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"jali/gateway/allowance"
	"jali/gateway/identity"
)

// reloader is what SIGHUP changes in a gateway that serves: the files by which callers are recognised, quotas and the log level. All of it, or, when anything of it cannot be
// read, nothing.
type reloader struct {
	dir      string
	running  config // as served: what needs a restart stays what it was
	trust    *identity.Trust
	rates    *allowance.Rates
	level    *slog.LevelVar
	operator *slog.Logger
}

// reloadable are the keys of config.yaml that a reload applies; a name stands for all below it. The files that they and the layout name are read again too.
var reloadable = []string{"identity", "revoked", "limits", "log_level"}

// watch reloads at every SIGHUP until ctx ends.
func (r *reloader) watch(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			notify("RELOADING=1\nMONOTONIC_USEC=" + monotonic())
			if err := r.reload(); err != nil {
				r.operator.Error("reload failed; everything stays as it was", "err", err)
			}
			notify("READY=1")
		}
	}
}

func (r *reloader) reload() error {
	next, err := loadConfig(r.dir)
	if err != nil {
		return err
	}
	trust, err := next.trust(r.dir)
	if err != nil {
		return err
	}
	if err := allowance.Check(next.Limits.PerSecond, next.Limits.Burst); err != nil {
		return err
	}
	if err := r.trust.Reload(trust); err != nil {
		return fmt.Errorf("recognise callers: %w", err)
	}
	if err := r.rates.Set(next.Limits.PerSecond, next.Limits.Burst); err != nil {
		return err
	}
	r.level.Set(next.LogLevel)
	var later []string
	for _, key := range changed(reflect.ValueOf(r.running), reflect.ValueOf(next), "") {
		if !covered(key) {
			later = append(later, key)
		}
	}
	// What was applied is the state to compare the next time with; what was not still differs from what is served.
	r.running.Identity, r.running.Revoked, r.running.Limits, r.running.LogLevel = next.Identity, next.Revoked, next.Limits, next.LogLevel
	r.operator.Info("reloaded: certificates, client authorities, revocation lists, identity provider, limits, log level")
	if len(later) > 0 {
		r.operator.Warn("these changes of config.yaml need a restart", "keys", strings.Join(later, ", "))
	}
	return nil
}

func covered(key string) bool {
	for _, r := range reloadable {
		if key == r || strings.HasPrefix(key, r+".") {
			return true
		}
	}
	return false
}

// changed lists the keys in which two configurations differ.
func changed(a, b reflect.Value, prefix string) []string {
	var out []string
	for i := range a.NumField() {
		name := prefix + keyOf(a.Type().Field(i))
		switch {
		case a.Field(i).Kind() == reflect.Struct:
			out = append(out, changed(a.Field(i), b.Field(i), name+".")...)
		case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			out = append(out, name)
		}
	}
	return out
}

// keyOf is a field's name in the file.
func keyOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}
