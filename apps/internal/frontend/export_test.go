package frontend

import "github.com/gin-gonic/gin"

// Routes returns all routes.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }
