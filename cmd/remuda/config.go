package main

import (
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// settings read one struct from flags, environment and a YAML file; each wins over those after it.
//
// A field's yaml tag is its key in the file, dotted where structs are nested. Its flag tag names the flag, with a
// shorthand after a comma; its help tag explains it; a field without a flag tag has none. Its env tag names further
// variables than the one that follows from the prefixes.
type settings struct {
	program  *program
	into     any
	prefixes []string // of environment variables, such as REMUDA_RUNNER_
	fileEnv  string   // names the file when no flag does
	file     string   // from --config
	fields   []setting
	flags    *pflag.FlagSet
}

// setting is one field.
type setting struct {
	key, flag, short, help string
	env                    []string
	more                   []string // of env: those that do not follow from the prefixes
	kind                   reflect.Type
}

// settings gives a command flags for every field of the struct that into points to, which holds the defaults.
func (p *program) settings(c *cobra.Command, into any, prefixes ...string) *settings {
	s := &settings{program: p, into: into, prefixes: prefixes, flags: c.Flags()}
	s.collect("", reflect.ValueOf(into).Elem())
	return s
}

// configFile adds --config to the command.
func (s *settings) configFile(env string) *settings {
	s.fileEnv = env
	s.flags.StringVar(&s.file, "config", "", "file with these settings, YAML ($"+env+")")
	return s
}

func (s *settings) collect(prefix string, of reflect.Value) {
	for i := range of.NumField() {
		field := of.Type().Field(i)
		key, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if strings.Contains(options, "inline") {
			s.collect(prefix, of.Field(i))
			continue
		}
		key = prefix + key
		if field.Type.Kind() == reflect.Struct && !readsText(field.Type) {
			s.collect(key+".", of.Field(i))
			continue
		}
		f := setting{key: key, kind: field.Type, help: field.Tag.Get("help")}
		f.flag, f.short, _ = strings.Cut(field.Tag.Get("flag"), ",")
		if field.Type.Kind() != reflect.Map { // a variable holds no mapping
			f.env = s.variables(key)
		}
		if more := field.Tag.Get("env"); more != "" {
			f.more = strings.Split(more, ",")
			f.env = append(f.env, f.more...)
		}
		if f.flag != "" && s.flags.Lookup(f.flag) == nil {
			s.addFlag(f, of.Field(i))
		}
		s.fields = append(s.fields, f)
	}
}

// variables are the names of the environment variables of a key. A prefix that says runner already is not followed by
// the same word.
func (s *settings) variables(key string) []string {
	name := strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
	var names []string
	for _, prefix := range s.prefixes {
		if strings.HasSuffix(prefix, "RUNNER_") {
			name = strings.TrimPrefix(name, "RUNNER_")
		}
		names = append(names, prefix+name)
	}
	return names
}

func readsText(kind reflect.Type) bool {
	return reflect.PointerTo(kind).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (s *settings) addFlag(f setting, value reflect.Value) {
	help := f.help
	if len(s.prefixes) > 0 {
		help += " ($" + strings.Join(append([]string{f.env[0]}, f.more...), ", $") + ")"
	}
	switch of := value.Interface().(type) {
	case bool:
		s.flags.BoolP(f.flag, f.short, of, help)
	case []string:
		s.flags.StringSliceP(f.flag, f.short, of, help)
	case int:
		s.flags.IntP(f.flag, f.short, of, help)
	case remuda.Duration:
		s.flags.VarP(&textFlag{kind: f.kind, text: text(of)}, f.flag, f.short, help)
	case remuda.Secret:
		s.flags.VarP(&textFlag{kind: f.kind}, f.flag, f.short, help)
	default:
		s.flags.StringP(f.flag, f.short, value.String(), help)
	}
}

func text(d remuda.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// textFlag checks what is typed as soon as it is.
type textFlag struct {
	kind reflect.Type
	text string
}

func (t *textFlag) String() string {
	if t.kind == reflect.TypeFor[remuda.Secret]() && t.text != "" {
		return "[secret]"
	}
	return t.text
}

func (t *textFlag) Set(text string) error {
	if _, err := parse(t.kind, text); err != nil {
		return err
	}
	t.text = text
	return nil
}

func (t *textFlag) Type() string {
	if t.kind == reflect.TypeFor[remuda.Duration]() {
		return "duration"
	}
	return "string"
}

// durationFlag adds a flag for a length of time that has no default of its own.
func durationFlag(to *pflag.FlagSet, into *remuda.Duration, name, help string) {
	to.Func(name, help, func(text string) error { return into.UnmarshalText([]byte(text)) })
}

// parse reads the text of a flag or variable into what its field holds.
func parse(kind reflect.Type, text string) (any, error) {
	value := reflect.New(kind)
	if reader, ok := value.Interface().(encoding.TextUnmarshaler); ok {
		err := reader.UnmarshalText([]byte(text))
		return value.Elem().Interface(), err
	}
	switch kind.Kind() {
	case reflect.Bool:
		read, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("expected true or false, got %q", text)
		}
		return read, nil
	case reflect.Int:
		read, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("expected a whole number, got %q", text)
		}
		return read, nil
	case reflect.Float64:
		read, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("expected a number, got %q", text)
		}
		return read, nil
	case reflect.Slice:
		if strings.TrimSpace(text) == "" {
			return []string{}, nil
		}
		parts := strings.Split(text, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		return parts, nil
	default:
		return text, nil
	}
}

// load fills the struct. Errors name where the wrong value was written.
func (s *settings) load() error {
	layers := koanf.New(".")
	for _, read := range []func() (map[string]any, error){s.fromFile, s.fromEnvironment, s.fromFlags} {
		if err := layers.Load(layer(read), nil); err != nil {
			return failure{exitUsage, err}
		}
	}
	decode := func(from, to reflect.Type, data any) (any, error) {
		written, isText := data.(string)
		if !isText || from == to || !readsText(to) {
			return data, nil
		}
		return parse(to, written)
	}
	err := layers.UnmarshalWithConf("", s.into, koanf.UnmarshalConf{
		Tag:           "yaml",
		DecoderConfig: &mapstructure.DecoderConfig{DecodeHook: decode, Squash: true},
	})
	if err != nil {
		return failure{exitUsage, err}
	}
	return nil
}

// layer is a source of koanf's.
type layer func() (map[string]any, error)

// ReadBytes is koanf's other way to be read; none of the sources has it.
func (l layer) ReadBytes() ([]byte, error) { return nil, errors.New("not read as bytes") }

// Read gives what the source says.
func (l layer) Read() (map[string]any, error) { return l() }

// fromFile reads the file strictly into the struct's own shape first, so that every problem has its place.
func (s *settings) fromFile() (map[string]any, error) {
	name := s.file
	if name == "" && s.fileEnv != "" {
		name, _ = s.program.env(s.fileEnv)
	}
	if name == "" {
		return map[string]any{}, nil
	}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the file %s is not there", name)
	}
	if err != nil {
		return nil, err
	}
	if err := yaml.Decode(name, data, reflect.New(reflect.TypeOf(s.into).Elem()).Interface()); err != nil {
		return nil, err
	}
	said := map[string]any{}
	err = yaml.Decode(name, data, &said)
	return said, err
}

func (s *settings) fromEnvironment() (map[string]any, error) {
	said := map[string]any{}
	for _, f := range s.fields {
		for _, name := range f.env {
			text, set := s.program.env(name)
			if !set || text == "" {
				continue
			}
			value, err := parse(f.kind, text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			put(said, f.key, kept(f, text, value))
			break
		}
	}
	return said, nil
}

func (s *settings) fromFlags() (map[string]any, error) {
	said := map[string]any{}
	for _, f := range s.fields {
		flag := s.flags.Lookup(f.flag)
		if f.flag == "" || flag == nil || !flag.Changed {
			continue
		}
		switch typed := flag.Value.(type) {
		case pflag.SliceValue:
			put(said, f.key, typed.GetSlice())
		case *textFlag:
			put(said, f.key, typed.text)
		default:
			value, err := parse(f.kind, flag.Value.String())
			if err != nil {
				return nil, fmt.Errorf("--%s: %w", f.flag, err)
			}
			put(said, f.key, value)
		}
	}
	return said, nil
}

// kept is a value as the layers keep it: they copy values, and cannot copy what is private, such as a secret's.
func kept(f setting, text string, value any) any {
	if readsText(f.kind) {
		return text
	}
	return value
}

// put sets a dotted key.
func put(into map[string]any, key string, value any) {
	for {
		head, rest, nested := strings.Cut(key, ".")
		if !nested {
			into[key] = value
			return
		}
		inner, ok := into[head].(map[string]any)
		if !ok {
			inner = map[string]any{}
			into[head] = inner
		}
		into, key = inner, rest
	}
}

// typed says whether any of the flags was.
func (s *settings) typed() bool {
	for _, f := range s.fields {
		if flag := s.flags.Lookup(f.flag); f.flag != "" && flag != nil && flag.Changed {
			return true
		}
	}
	return false
}
