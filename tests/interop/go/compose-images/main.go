// What compose-go, the reader of docker compose, makes of Compose files. Reads names of files from standard input, one on
// each line, and answers each with one line of JSON: the services and their images, of all profiles, with the `.env`
// beside the file and nothing of the environment; or why the file is refused.
package main

import (
	"bufio"
	"context"
	_ "crypto/sha256" // digests in references
	_ "crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"github.com/sirupsen/logrus"
)

type image struct {
	Service string `json:"service"`
	Image   string `json:"image"`
}

type answer struct {
	File       string   `json:"file"`
	Images     []image  `json:"images"`
	Unresolved []image  `json:"unresolved"` // as written
	Other      []string `json:"other"`      // cache_from, additional_contexts, image volumes
	Read       bool     `json:"read"`       // the above could be found out, if need be without checks of the schema
	Refused    string   `json:"refused"`
}

// reading is one file being read. Variables that `:?` asks for and that are not there get a value, so that the rest can be
// read.
type reading struct {
	values   types.Mapping
	required map[string]string
	lacking  map[string]bool // what came of texts that need a variable that is not there
}

func (r *reading) substitute(text string, outer template.Mapping) (string, error) {
	mapping := func(name string) (string, bool) {
		if value, ok := outer(name); ok {
			return value, true
		}
		value, ok := r.required[name]
		return value, ok
	}
	for {
		result, err := template.Substitute(text, mapping)
		var missing *template.MissingRequiredError
		if !errors.As(err, &missing) || r.required[missing.Variable] != "" {
			if lacks(text, outer) {
				r.lacking[result] = true
			}
			return result, err
		}
		r.required[missing.Variable] = "1"
	}
}

// lacks says whether the text needs the value of a variable that has none.
func lacks(text string, mapping template.Mapping) bool {
	text = strings.ReplaceAll(text, "$$", "")
	missing := map[string]bool{}
	_, _ = template.Substitute(text, func(name string) (string, bool) {
		value, ok := mapping(name)
		if !ok {
			missing[name] = true
		}
		return value, ok
	})
	for name := range missing {
		bare := regexp.MustCompile(`\$(\{` + name + `(\}|:?\?)|` + name + `([^a-zA-Z0-9_]|$))`)
		if bare.MatchString(text) {
			return true
		}
	}
	return false
}

func load(file string, with *reading, options ...func(*loader.Options)) (map[string]any, error) {
	details := types.ConfigDetails{
		WorkingDir:  filepath.Dir(file),
		ConfigFiles: []types.ConfigFile{{Filename: file}},
		Environment: with.values,
	}
	options = append(options, func(o *loader.Options) {
		o.SetProjectName("judge", true)
		o.SkipResolveEnvironment = true
		o.Interpolate.Substitute = with.substitute
		o.ResolvePaths = false
	})
	return loader.LoadModelWithContext(context.Background(), details, options...)
}

func mapping(value any) map[string]any {
	found, _ := value.(map[string]any)
	return found
}

func text(value any) string {
	found, _ := value.(string)
	return found
}

func others(service map[string]any) []string {
	found := []string{}
	build := mapping(service["build"])
	caches, _ := build["cache_from"].([]any)
	for _, cache := range caches {
		if name := text(cache); name != "" && !strings.Contains(name, "=") {
			found = append(found, name)
		}
	}
	for _, value := range mapping(build["additional_contexts"]) {
		if name, ok := strings.CutPrefix(text(value), "docker-image://"); ok {
			found = append(found, name)
		}
	}
	volumes, _ := service["volumes"].([]any)
	for _, volume := range volumes {
		if one := mapping(volume); text(one["type"]) == "image" {
			found = append(found, text(one["source"]))
		}
	}
	return found
}

func judge(start, file string) (out answer) {
	defer func() { // it can trip over what its schema would refuse
		if trouble := recover(); trouble != nil {
			out.Refused = fmt.Sprint("panic: ", trouble)
		}
	}()
	out = answer{File: file, Images: []image{}, Unresolved: []image{}, Other: []string{}}
	fail := func(err error) answer {
		out.Refused = err.Error()
		return out
	}
	path := filepath.Join(start, file)
	// What nested includes name, compose-go looks for from the working directory.
	if err := os.Chdir(filepath.Dir(path)); err != nil {
		return fail(err)
	}
	with := &reading{types.Mapping{}, map[string]string{}, map[string]bool{}}
	beside := filepath.Join(filepath.Dir(path), ".env")
	if status, err := os.Stat(beside); err == nil && !status.IsDir() {
		values, err := dotenv.GetEnvFromFile(map[string]string{}, []string{beside})
		if err != nil {
			return fail(err)
		}
		with.values = values
	}
	bare := func(o *loader.Options) { o.SkipValidation, o.SkipNormalization = true, true }
	model, err := load(path, with, bare)
	if err != nil {
		return fail(err)
	}
	written, err := load(path, with, bare, func(o *loader.Options) { o.SkipInterpolation = true })
	if err != nil {
		return fail(err)
	}
	for name, service := range mapping(model["services"]) {
		one := mapping(service)
		if one["image"] == nil {
			continue
		}
		value, raw := fmt.Sprint(one["image"]), text(mapping(mapping(written["services"])[name])["image"])
		if with.lacking[value] || (value == "" && strings.Contains(raw, "$")) {
			out.Unresolved = append(out.Unresolved, image{name, raw})
		} else {
			out.Images = append(out.Images, image{name, value})
		}
		out.Other = append(out.Other, others(one)...)
	}
	out.Read = true
	for _, one := range out.Images {
		if _, err := reference.ParseNormalizedNamed(one.Image); err != nil {
			return fail(err)
		}
	}
	if err := check(path, with); err != nil {
		return fail(err)
	}
	return out
}

// check loads the file as docker compose does, all checks included.
func check(file string, with *reading) error {
	details := types.ConfigDetails{
		WorkingDir:  filepath.Dir(file),
		ConfigFiles: []types.ConfigFile{{Filename: file}},
		Environment: with.values,
	}
	_, err := loader.LoadWithContext(context.Background(), details, func(o *loader.Options) {
		o.SetProjectName("judge", true)
		o.SkipResolveEnvironment = true
		o.SkipResolveLabels = true
		o.Interpolate.Substitute = with.substitute
		o.Profiles = []string{"*"}
	})
	return err
}

func main() {
	logrus.SetOutput(io.Discard)
	names := bufio.NewScanner(os.Stdin)
	names.Buffer(nil, 1<<20)
	start, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	for names.Scan() {
		if err := out.Encode(judge(start, names.Text())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
