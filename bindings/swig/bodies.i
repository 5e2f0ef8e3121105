/* Bodies of large messages, in pieces that are strings of Ruby's and Lua's. */
%ignore ra_producer_write_large;  /* these two are below */
%ignore ra_consumer_read_body;
%ignore ra_producer_finish_large; /* waits: its _begin form and a wait in slices are used */

%typemap(in, numinputs = 0) (char **piece_out, size_t *size_out) (char *piece = NULL, size_t size = 0)
    "$1 = &piece; $2 = &size;"

%inline %{
/* Writes what finds room, without waiting: how many bytes. RA_E_WOULD_BLOCK when none did. */
static int64_t producer_write_some(ra_producer *producer, const void *bytes, size_t size, int64_t from, ra_error **err)
{
    size_t written = 0;
    int code;

    if (from < 0 || (uint64_t)from > size)
        return 0;
    code = ra_producer_write_large(producer, (const char *)bytes + from, size - (size_t)from, 0, &written, err);
    if (code == RA_E_WOULD_BLOCK && written > 0) {
        ra_error_free(*err);
        *err = NULL;
    }
    return (int64_t)written;
}

/* At most room bytes, an empty piece at the end of the body; EVENTS and no piece when events wait. */
static int32_t consumer_read_piece(ra_consumer *consumer, ra_message *message, int64_t room, int64_t timeout_ms,
                                   int32_t flags, char **piece_out, size_t *size_out, ra_error **err)
{
    char *piece = room >= 0 ? (char *)malloc((size_t)room + 1) : NULL;
    int code = ra_consumer_read_body(consumer, message, piece, piece != NULL ? (size_t)room : 0, timeout_ms, flags,
                                     size_out, err);

    if (code == 0)
        *piece_out = piece;
    else
        free(piece);
    return code;
}
%}
