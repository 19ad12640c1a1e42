// A TUF client made of go-tuf: tuf-client URL ROOT STATE TARGET... updates from URL and downloads each TARGET that has
// bytes; prints {TARGET: {length, sha256, custom, file}}.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

type target struct {
	Length int64            `json:"length"`
	Sha256 string           `json:"sha256"`
	Custom *json.RawMessage `json:"custom"`
	File   *string          `json:"file"`
}

func update(url, rootPath, state string, names []string) (map[string]target, error) {
	root, err := os.ReadFile(rootPath)
	if err != nil {
		return nil, err
	}
	settings, err := config.New(url+"/metadata", root)
	if err != nil {
		return nil, err
	}
	settings.RemoteTargetsURL = url + "/targets"
	settings.LocalMetadataDir = filepath.Join(state, "metadata")
	settings.LocalTargetsDir = filepath.Join(state, "targets")
	client, err := updater.New(settings)
	if err != nil {
		return nil, err
	}
	if err := client.Refresh(); err != nil {
		return nil, err
	}
	found := map[string]target{}
	for _, name := range names {
		info, err := client.GetTargetInfo(name)
		if err != nil {
			return nil, err
		}
		one := target{Length: info.Length, Sha256: info.Hashes["sha256"].String(), Custom: info.Custom}
		if info.Length > 0 {
			file, _, err := client.DownloadTarget(info, "", "")
			if err != nil {
				return nil, err
			}
			one.File = &file
		}
		found[name] = one
	}
	return found, nil
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: tuf-client URL ROOT STATE TARGET...")
		os.Exit(2)
	}
	found, err := update(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%T: %v\n", err, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		os.Exit(1)
	}
}
