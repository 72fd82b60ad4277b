package server

import "net/http"

func (s *Server) docs(w http.ResponseWriter, _ *http.Request) { writeText(w, "soon\n") }
