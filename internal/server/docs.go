package server

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html docs.css
var docsFiles embed.FS

// docs shows the OpenAPI document as one page. It needs no script and nothing from elsewhere, so that it can be read
// where the control plane is, behind any firewall.
func (s *Server) docs(w http.ResponseWriter, _ *http.Request) {
	page, style, err := s.docsPage()
	if err != nil {
		s.refuse(w.(*responder), problemOf(fmt.Errorf("show the docs: %w", err)))
		return
	}
	digest := sha256.Sum256(style)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+
		base64.StdEncoding.EncodeToString(digest[:])+"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page) // Nobody is left to tell.
}

// docsPage is the page, and the style that is in it.
func (s *Server) docsPage() (text, style []byte, err error) {
	page, err := template.ParseFS(docsFiles, "docs.html")
	if err != nil {
		return nil, nil, err
	}
	style, err = docsFiles.ReadFile("docs.css")
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{
		"Version":  s.options.Version,
		"Style":    template.CSS(style), // our own file
		"Intro":    strings.Split(introduction, "\n\n"),
		"Chapters": s.chapters(),
		"Words":    s.words(),
	})
	return out.Bytes(), style, err
}

// chapter is a tag with its operations.
type chapter struct {
	Name, About string
	Operations  []operation
}

// operation is what the page tells of one.
type operation struct {
	ID, Method, Path, Summary string
	About                     []string
	Door                      door
	Parameters                []member
	Body, BodyType, Example   string
	Answers                   []reply
}

// member is a parameter or a member of a word.
type member struct {
	Name, In, Type, Word, About string
	Required                    bool
}

// reply is how an operation answers.
type reply struct{ Status, About, Word string }

// word is a schema.
type word struct {
	Name    string
	Members []member
}

func (s *Server) chapters() []chapter {
	var all []chapter
	for _, tag := range s.api.OpenAPI().Tags {
		one := chapter{Name: tag.Name, About: tag.Description}
		for _, r := range s.routes {
			if !r.page && texts[r.id].tag == tag.Name {
				one.Operations = append(one.Operations, s.operationPage(r))
			}
		}
		all = append(all, one)
	}
	return all
}

func (s *Server) operationPage(r *route) operation {
	op := find(s.api.OpenAPI(), r.method, r.path)
	page := operation{ID: r.id, Method: r.method, Path: r.path, Summary: op.Summary, Door: r.door, Example: texts[r.id].example}
	if op.Description != "" {
		page.About = strings.Split(strings.ReplaceAll(op.Description, "`", ""), "\n\n")
	}
	for _, p := range op.Parameters {
		page.Parameters = append(page.Parameters, member{
			Name: p.Name, In: p.In, Type: typeOf(p.Schema), About: p.Description, Required: p.Required,
		})
	}
	if op.RequestBody != nil {
		for content, media := range op.RequestBody.Content {
			page.BodyType, page.Body = content, wordOf(media.Schema)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[status]
		one := reply{Status: status, About: response.Description}
		if media, ok := response.Content[jsonType]; ok {
			one.Word = wordOf(media.Schema)
		}
		page.Answers = append(page.Answers, one)
	}
	return page
}

func (s *Server) words() []word {
	schemas := s.api.OpenAPI().Components.Schemas.Map()
	var all []word
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		schema := schemas[name]
		one := word{Name: name}
		for _, property := range slices.Sorted(maps.Keys(schema.Properties)) {
			p := schema.Properties[property]
			one.Members = append(one.Members, member{
				Name: property, Type: typeOf(p), Word: wordOf(p), About: p.Description,
				Required: slices.Contains(schema.Required, property),
			})
		}
		all = append(all, one)
	}
	return all
}

// wordOf is the word that a schema speaks of, or nothing.
func wordOf(schema *huma.Schema) string {
	if schema == nil {
		return ""
	}
	if schema.Items != nil {
		return wordOf(schema.Items)
	}
	if of, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		return wordOf(of)
	}
	return strings.TrimPrefix(schema.Ref, schemaPrefix)
}

// typeOf says in a few words what values a schema takes.
func typeOf(schema *huma.Schema) string {
	switch {
	case schema == nil:
		return ""
	case schema.Ref != "":
		return strings.TrimPrefix(schema.Ref, schemaPrefix)
	case schema.Items != nil:
		return "list of " + typeOf(schema.Items)
	case schema.PatternDescription != "":
		return schema.PatternDescription
	case len(schema.Enum) > 0:
		return listOf(schema.Enum)
	case schema.ContentEncoding != "":
		return schema.ContentEncoding
	case schema.Format == "date-time":
		return "time, RFC 3339"
	}
	if of, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		return typeOf(of) + " by name"
	}
	if schema.Type == "" {
		return "any"
	}
	return schema.Type
}

func listOf(values []any) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = fmt.Sprint(value)
	}
	return strings.Join(texts, ", ")
}
