// What BuildKit's own parser makes of Dockerfiles. Reads names of files from standard input, one on each line, and
// answers each with one line of JSON: the images that a build of all stages would fetch, or why there would be none.
package main

import (
	"bufio"
	"bytes"
	_ "crypto/sha256" // digests in references
	_ "crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

type image struct {
	Image string `json:"image"`
	Line  int    `json:"line"`
	Kind  string `json:"kind"`
}

type answer struct {
	File       string  `json:"file"`
	Images     []image `json:"images"`
	Unresolved []image `json:"unresolved"`
	Refused    string  `json:"refused"`
	Line       int     `json:"line"`
}

type refusal struct {
	line int
	why  string
}

func (r refusal) Error() string { return r.why }

func refuse(line int, err error) error {
	if err == nil {
		return nil
	}
	return refusal{line, err.Error()}
}

func lineOf(location []parser.Range) int {
	if len(location) == 0 {
		return 0
	}
	return location[0].Start.Line
}

// environment is the global scope; a name without a value is not in it, one whose value depends on such a name is in
// gaps too.
type environment struct {
	values map[string]string
	gaps   map[string]bool
}

func (e environment) Get(name string) (string, bool) {
	value, ok := e.values[name]
	return value, ok
}

func (e environment) Keys() []string { return nil }

// expand also says whether the result lacks the value of a name that has none, which `:?` asks for too.
func (e environment) expand(lex *shell.Lex, word string) (string, bool, error) {
	result, err := lex.ProcessWordWithMatches(word, e)
	if err != nil {
		given := environment{maps.Clone(e.values), e.gaps}
		for _, name := range slices.Concat(slices.Collect(maps.Keys(result.Matched)), slices.Collect(maps.Keys(result.Unmatched))) {
			if given.values[name] == "" {
				given.values[name] = "x"
			}
		}
		if _, otherwise := lex.ProcessWordWithMatches(word, given); otherwise != nil {
			return "", false, err
		}
		return "", true, nil
	}
	gap := false
	for name := range result.Matched {
		gap = gap || e.gaps[name]
	}
	for name := range result.Unmatched {
		// Not where an operator says what to take in its place.
		bare := regexp.MustCompile(`\$(\{` + regexp.QuoteMeta(name) + `[}#%/]|` + regexp.QuoteMeta(name) + `([^a-zA-Z0-9_]|$))`)
		gap = gap || bare.MatchString(word)
	}
	return result.Result, gap, nil
}

func globalScope(metaArgs []instructions.ArgCommand, target string, lex *shell.Lex) (environment, error) {
	here := platforms.DefaultSpec()
	scope := environment{map[string]string{"TARGETSTAGE": target}, map[string]bool{}}
	for _, prefix := range []string{"BUILD", "TARGET"} {
		scope.values[prefix+"PLATFORM"] = platforms.Format(here)
		scope.values[prefix+"OS"] = here.OS
		scope.values[prefix+"OSVERSION"] = here.OSVersion
		scope.values[prefix+"ARCH"] = here.Architecture
		scope.values[prefix+"VARIANT"] = here.Variant
	}
	for _, command := range metaArgs {
		for _, arg := range command.Args {
			if arg.Value == nil {
				continue
			}
			value, gap, err := scope.expand(lex, *arg.Value)
			if err != nil {
				return scope, refuse(lineOf(command.Location()), err)
			}
			scope.values[arg.Key] = value
			scope.gaps[arg.Key] = gap
		}
	}
	return scope, nil
}

type reader struct {
	out    *answer
	lex    *shell.Lex
	stages []instructions.Stage
	byName map[string]int // the last stage of a name, among those read so far
	bases  []int          // by stage: which one it is made from, or -1
}

func (r *reader) add(name string, line int, kind string) error {
	if name == "scratch" {
		return nil
	}
	if _, err := reference.ParseNormalizedNamed(name); err != nil {
		return refuse(line, err)
	}
	r.out.Images = append(r.out.Images, image{name, line, kind})
	return nil
}

func (r *reader) from(number int, scope environment) error {
	stage := r.stages[number]
	line := lineOf(stage.Location)
	r.bases[number] = -1
	base, gap, err := scope.expand(r.lex, stage.BaseName)
	if err != nil {
		return refuse(line, err)
	}
	platformGap := false
	if stage.Platform != "" {
		var platform string
		if platform, platformGap, err = scope.expand(r.lex, stage.Platform); err != nil {
			return refuse(line, err)
		}
		if !platformGap {
			if _, err = platforms.Parse(platform); err != nil {
				return refuse(line, err)
			}
		}
	}
	known, isStage := r.byName[base]
	switch {
	case gap || (base == "" && strings.Contains(stage.BaseName, "$")):
		r.out.Unresolved = append(r.out.Unresolved, image{stage.BaseName, line, "from"})
	case isStage:
		r.bases[number] = known
	case platformGap && base != "scratch":
		r.out.Unresolved = append(r.out.Unresolved, image{stage.BaseName, line, "from"})
	case base == "":
		return refuse(line, errors.New("base name should not be blank"))
	default:
		return r.add(base, line, "from")
	}
	return nil
}

// source is of COPY --from and RUN --mount=from=. `number` is the stage it stands in. In a mount BuildKit takes a number
// for an image's name; we, as buildah, for the stage's.
func (r *reader) source(name string, line int, kind string, number int) error {
	index, found := r.byName[strings.ToLower(name)]
	if parsed, err := strconv.Atoi(name); err == nil {
		if parsed < 0 || parsed >= len(r.stages) {
			return refuse(line, errors.New("invalid stage index"))
		}
		index, found = parsed, true
	}
	if !found {
		return r.add(name, line, kind)
	}
	if index >= number {
		return refuse(line, errors.New("a stage needs to be defined before it is used"))
	}
	return nil
}

func (r *reader) command(command instructions.Command, line, number int) error {
	switch c := command.(type) {
	case *instructions.CopyCommand:
		if c.From == "" {
			return nil
		}
		result, err := r.lex.ProcessWordWithMatches(c.From, environment{})
		if err != nil {
			return refuse(line, err)
		}
		if result.Result != c.From {
			return refuse(line, errors.New("variable expansion is not supported for --from"))
		}
		return r.source(c.From, line, "copy-from", number)
	case *instructions.RunCommand:
		// A build reads the mounts again, with the stage's variables in them.
		if !strings.Contains(strings.Join(c.FlagsUsed, "")+c.String(), "$") {
			if err := c.Expand(func(word string) (string, error) { return word, nil }); err != nil {
				return refuse(line, err)
			}
		}
		for _, mount := range instructions.GetMounts(c) {
			if mount.From == "" {
				continue
			}
			if err := r.source(mount.From, line, "mount-from", number); err != nil {
				return err
			}
		}
	case *instructions.OnbuildCommand:
		parsed, err := parser.Parse(strings.NewReader(c.Expression))
		if err != nil {
			return refuse(line, err)
		}
		if len(parsed.AST.Children) != 1 {
			return refuse(line, errors.New("onbuild trigger should be a single expression"))
		}
		trigger, err := instructions.ParseCommand(parsed.AST.Children[0])
		if err != nil {
			return refuse(line, err)
		}
		for child, base := range r.bases {
			if base == number { // told once, at the line of the trigger
				return r.command(trigger, line, child)
			}
		}
	}
	return nil
}

func (r *reader) read(data []byte) error {
	if syntax, _, location, ok := parser.DetectSyntax(data); ok {
		if err := r.add(syntax, lineOf(location), "syntax"); err != nil {
			return err
		}
	}
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return err
	}
	stages, metaArgs, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{SkipAll: true}))
	if err != nil {
		return err
	}
	if len(stages) == 0 {
		return errors.New("dockerfile contains no stages to build")
	}
	r.stages, r.bases, r.byName = stages, make([]int, len(stages)), map[string]int{}
	r.lex = shell.NewLex(parsed.EscapeToken)
	target := stages[len(stages)-1].Name
	if target == "" {
		target = "default"
	}
	scope, err := globalScope(metaArgs, target, r.lex)
	if err != nil {
		return err
	}
	for number, stage := range stages {
		if err := r.from(number, scope); err != nil {
			return err
		}
		if stage.Name != "" {
			r.byName[stage.Name] = number
		}
	}
	for number, stage := range stages {
		for _, command := range stage.Commands {
			if err := r.command(command, lineOf(command.Location()), number); err != nil {
				return err
			}
		}
	}
	return nil
}

func judge(file string) answer {
	out := answer{File: file, Images: []image{}, Unresolved: []image{}}
	data, err := os.ReadFile(file)
	if err == nil {
		err = (&reader{out: &out}).read(data)
	}
	if err == nil {
		return out
	}
	out = answer{File: file, Images: []image{}, Unresolved: []image{}, Refused: err.Error()}
	var ours refusal
	var theirs *parser.LocationError
	if errors.As(err, &ours) {
		out.Line = ours.line
	} else if errors.As(err, &theirs) && len(theirs.Locations) > 0 {
		out.Line = lineOf(theirs.Locations[0])
	}
	return out
}

func main() {
	names := bufio.NewScanner(os.Stdin)
	names.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for names.Scan() {
		if err := out.Encode(judge(names.Text())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
