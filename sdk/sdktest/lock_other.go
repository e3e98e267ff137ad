//go:build !unix

package sdktest

import "errors"

func lock(string) (func(), error) {
	return nil, errors.New("the gateway needs a Unix system")
}
