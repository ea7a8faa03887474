/*
 * settings.h
 *		The settings under which a source is written down and run.
 */
#ifndef KM_SETTINGS_H
#define KM_SETTINGS_H

/*
 * A fixed search_path and fixed output formats, until the matching pop (or the
 * end of the transaction, if an error comes between).
 */
extern int	km_settings_push(void);
extern void km_settings_pop(int nestlevel);

#endif							/* KM_SETTINGS_H */
