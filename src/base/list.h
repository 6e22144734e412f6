#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * An intrusive, circular, doubly linked list. The links live in the element,
 * so an element is on a list without an allocation and leaves it in O(1).
 *
 *	struct job { struct list link; ... };
 *
 *	list_init(&queue);
 *	list_append(&queue, &job->link);
 *	list_for_each(&queue, at)
 *		run(list_item(at, struct job, link));
 *
 * A link that is on no list points to itself (list_init, list_remove), so
 * list_remove may be called on it again and list_is_linked tells.
 */
struct list {
	struct list *prev;
	struct list *next;
};

static inline void list_init(struct list *list)
{
	list->prev = list;
	list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline bool list_is_linked(const struct list *link)
{
	return link->next != link;
}

static inline void list_insert_before(struct list *at, struct list *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

static inline void list_append(struct list *list, struct list *link)
{
	list_insert_before(list, link);
}

static inline void list_prepend(struct list *list, struct list *link)
{
	list_insert_before(list->next, link);
}

static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Move all elements of from behind those of list; from is empty afterwards. */
static inline void list_splice(struct list *list, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = list->prev;
	list->prev->next = from->next;
	from->prev->next = list;
	list->prev = from->prev;
	list_init(from);
}

/* The first link, or NULL. */
static inline struct list *list_first(const struct list *list)
{
	return list_is_empty(list) ? NULL : list->next;
}

#define list_item(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#define list_for_each(head, at) for (struct list *at = (head)->next; at != (head); at = at->next)

/* The loop body may remove `at` (and nothing else) from the list. */
#define list_for_each_safe(head, at)                                                               \
	for (struct list *at = (head)->next, *at##_next = at->next; at != (head);                  \
	     at = at##_next, at##_next = at->next)

#endif
