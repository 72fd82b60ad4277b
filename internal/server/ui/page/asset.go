package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
)

// What is not ours in there came from npm, unchanged: htmx 4.0.1 with its extension for server-sent events, Pico CSS
// 2.1.1, uPlot 1.6.32.
//
//go:embed assets
var embedded embed.FS

// file is one file for browsers. Its address has what it is in it, so that it is fetched once and for all.
type file struct {
	content []byte
	version string
}

type files map[string]file

func readFiles() (files, error) {
	all := files{}
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		sum := sha256.Sum256(content)
		all[path.Base(name)] = file{content, hex.EncodeToString(sum[:6])}
		return err
	})
	return all, err
}

// kindOf is the media type of a file.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	default:
		return "image/svg+xml"
	}
}

// address is where browsers get a file.
func (f files) address(name string) string { return "/assets/" + name + "?v=" + f[name].version }

func (s *Site) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	found, there := s.files[name]
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kindOf(name))
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == found.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(found.content) // nobody is left to tell
}
