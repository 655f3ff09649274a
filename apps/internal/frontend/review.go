package frontend

import "github.com/gin-gonic/gin"

// reviewStore is what these pages read of the store.
type reviewStore interface{}

// reviewRoutes adds the pages of the review of faces one at a time.
func (s *Server) reviewRoutes(*gin.Engine) {}
