package frontend

import (
	"maps"

	"github.com/gin-gonic/gin"
)

// Routes returns all routes.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }

// Messages returns the English messages by key.
func Messages() map[string]string { return englishWords() }

// NewSpeaking is New with other messages: change makes one of an English one.
func NewSpeaking(s Store, opts Options, change func(text string) string) (*Server, error) {
	speaks := english()
	speaks.messages = maps.Clone(speaks.messages)
	for key, text := range speaks.messages {
		speaks.messages[key] = change(text)
	}
	return newServer(s, opts, speaks)
}
